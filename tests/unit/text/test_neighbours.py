"""Text that the edge between two chunks cuts."""

from __future__ import annotations

import pytest

from rag.text.neighbours import joined, runs_on


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The commands are as follows:", "- one\n- two"),
        ("Run this.", "```sh\nmake\n```"),
        ("```sql\nSELECT 1,\n```", "```sql\n       2;\n```"),
        ("1. Stop it.\n2. Copy it.", "3. Start it."),
        ("Move it like this.\n1. Stop it.\n2. Copy it.", "3. Start it."),
        ("There are two modes:\n\n**`on`**\nIt is on.", "**`off`**\nIt is off."),
        ("| a | b |\n| --- | --- |\n| 1 | 2 |", "| a | b |\n| --- | --- |\n| 3 | 4 |"),
        ("```\nf(x)\n```", "where `x` is a number."),
    ],
)
def test_cut_text_continues_in_the_next_chunk(first: str, second: str) -> None:
    assert runs_on(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It is done.", "Another thing is this."),
        ("It is done.", "pg_dump writes a file."),
        ("```sh\nmake\n```", "Then it is built."),
        ("- `a`: the first", "- `b`: the second"),
        ("It came with version\n9. It is gone.", "12. Done"),
        ("**`--a`**\nThe first.", "**`--b`**\nThe second."),
    ],
)
def test_complete_text_does_not_continue_in_the_next_chunk(first: str, second: str) -> None:
    assert not runs_on(first, second)


def test_cut_code_and_tables_are_joined() -> None:
    assert joined("```sql\nSELECT 1,\n```", "```sql\n  2;\n```") == "```sql\nSELECT 1,\n  2;\n```"
    assert joined("| a |\n| --- |\n| 1 |", "| a |\n| --- |\n| 2 |") == "| a |\n| --- |\n| 1 |\n| 2 |"
    assert joined("```sh\nmake\n```", "```sql\nSELECT 1;\n```") is None
    assert joined("- a", "- b") is None


def test_a_definition_that_was_cut_is_whole_again() -> None:
    assert joined("**a**\nOne.", "**a**\nTwo.") == "**a**\nOne.\nTwo."
    assert joined("**a**\nOne.", "**b**\nTwo.") is None
