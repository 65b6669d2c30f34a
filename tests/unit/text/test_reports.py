"""What of a bug report is compared: neither its template nor its environment nor the time of its log."""

from __future__ import annotations

import pytest

from rag.text.reports import clean_body, clean_title, error_lines, identifiers, repeated_lines

TEMPLATE = "### What happened?\n\n{}\n\n### Environment\n\n- OS: Linux\n- Version: 1.2\n\n### Steps\n\n{}\n"


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("[Bug]: crash on start", "crash on start"),
        ("[BUG] [windows] crash on start", "crash on start"),
        ("Feature request: dark mode", "dark mode"),
        ("parser: crash on start", "parser: crash on start"),
        ("[Bug]", "[Bug]"),
    ],
)
def test_prefixes_of_titles_are_stripped(title: str, clean: str) -> None:
    assert clean_title(title) == clean


def test_the_lines_of_a_template_are_learned_and_stripped_with_the_environment() -> None:
    bodies = [TEMPLATE.format(f"It fails in way {n}.", f"call f{n}()") for n in range(10)]
    assert clean_body(bodies[3], repeated_lines(bodies)) == "It fails in way 3.\n\ncall f3()"


def test_a_known_template_needs_no_repetition() -> None:
    boilerplate = repeated_lines([], ["---\nname: bug\n---\n**Describe the bug**\nA clear description."])
    assert clean_body("**Describe the bug**\nA clear description.\nIt fails.", boilerplate) == "It fails."


def test_times_and_addresses_of_a_log_are_stripped() -> None:
    one = "2024-05-01T10:11:12.123Z INFO started\n[DEBUG] at 0x7ffe12 in thread 12: boom"
    other = "2025-01-02 11:12:13 INFO started\n[DEBUG] at 0xdeadbeef in thread 99: boom"
    assert clean_body(one).split() == clean_body(other).split() != []


def test_check_boxes_and_comments_are_stripped() -> None:
    assert clean_body("<!-- read this -->\n- [x] I searched\n- [ ] I did not\nIt fails.") == "It fails."


def test_error_lines_compare_without_their_numbers() -> None:
    assert error_lines("ok\nthread 12 panicked at line 7\n") == error_lines("thread 9 panicked at line 8")


def test_identifiers_are_options_paths_and_codes() -> None:
    assert identifiers("`foo` uses std::mem::swap, my_name, --no-cache and E0502") == {
        "foo", "std::mem::swap", "my_name", "--no-cache", "e0502",
    }  # fmt: skip
