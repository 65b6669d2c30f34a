"""What a person sees of an answer on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from rag.terminal import Screen


def shown(markdown: str, *, width: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard", _environ={})
    Screen(console).markdown(markdown)
    return console.file.getvalue()


def test_markdown_is_rendered_and_wrapped_at_words() -> None:
    text = shown("Set **max_wal_size** to a larger number than the default of one gigabyte. [1]", width=30)
    assert "**" not in text
    assert "[1]" in text
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in text.splitlines()) <= 30


def test_numbered_steps_keep_their_numbers_and_code_its_lines() -> None:
    text = shown("1. First.\n2. Second.\n\n```\none\n  two\n```")
    assert " 1 " in text
    assert " 2 " in text
    assert "   two" in text


def test_code_has_no_background_of_its_own() -> None:
    assert "\x1b[1;36mpg_dump\x1b[0m" in shown("Use `pg_dump`.")


def test_a_source_cannot_send_control_sequences() -> None:
    assert "\x1b]0;" not in shown("before \x1b]0;owned\x07 after")
    assert "\x9b" not in shown("before \x9b2J after")


def test_a_link_is_never_broken() -> None:
    url = "https://example.org/" + "a" * 60
    console = Console(file=io.StringIO(), width=40, force_terminal=True, _environ={})
    Screen(console).line(url, indent=6, link=url)
    assert "      \x1b]8;" in console.file.getvalue()
    assert console.file.getvalue().count(url) == 2  # the address of the link, and its text


def test_markdown_can_be_indented() -> None:
    console = Console(file=io.StringIO(), width=30, force_terminal=True, color_system=None, _environ={})
    Screen(console).markdown("Set it to a larger number than the default.", indent=3)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines == ["   Set it to a larger number", "   than the default.", ""]
