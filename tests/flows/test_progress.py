"""The progress of syncs on a console."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flows.engine import Ended
from flows.progress import show_progress, so_far
from rag.ingest.report import SyncReport

NAME = "a-source-with-a-long-name"
REPORT = SyncReport(NAME, "docs", "completed", fetched=1200, seen=800, embedded=4000, requests=1300, seconds=3)


def console(width: int, *, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, _environ={"TERM": "xterm"})


def test_lines_count_the_fetched_and_the_indexed_apart() -> None:
    plain = console(80, terminal=False)
    with show_progress(plain, [NAME]) as shown:
        shown.doing("starting Prefect")
        shown(NAME, REPORT)
    said = plain.file.getvalue().splitlines()
    assert said[0] == "starting Prefect"
    assert said[1].startswith(f"{NAME}: 1,200 fetched, 800 indexed")


def test_requests_are_counted_until_the_first_document_is_known() -> None:
    assert so_far(replace(REPORT, fetched=0, seen=0)) == "1,300 requests, 0 indexed"


@pytest.mark.parametrize("width", [50, 120])
def test_a_terminal_keeps_the_name_and_ticks_what_is_done(width: int) -> None:
    narrow = console(width, terminal=True)
    with show_progress(narrow, [NAME], doing="starting Prefect") as shown:
        shown(NAME, Ended(REPORT))
    drawn = narrow.file.getvalue()
    assert NAME in drawn
    assert "starting Prefect" in drawn
    assert "1,200 fetched" in drawn
    assert "✓" in drawn
