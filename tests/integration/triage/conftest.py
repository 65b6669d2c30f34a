"""A repository whose history has problems that were reported several times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

_THINGS = ("parser", "cache", "scheduler", "exporter", "login page", "search box", "backup job", "mail sender")
_FAILURES = (
    ("crashes with a null pointer", "NullPointerException in {}", "The {} dies as soon as it is started."),
    ("hangs for ever", "no output, one core is busy", "The {} never comes back. I waited an hour."),
    ("loses the last record", "expected 10 rows, got 9", "The last row is gone after the {} ran."),
    ("ignores the time zone", "2024-01-01 00:00 instead of 01:00", "All hours of the {} are shifted."),
    ("needs too much memory", "Killed: out of memory", "The {} takes 12 GB with a small file."),
    ("rejects umlauts", "UnicodeDecodeError: invalid byte", "Names such as Müller break the {}."),
)
_START = datetime(2024, 1, 1, tzinfo=UTC)


def history() -> dict[str, Any]:
    """48 problems, each reported; every second one a second time a month later, in other words, and closed for it."""
    issues: list[dict[str, Any]] = []

    def add(title: str, body: str, hours: int, **fields: Any) -> int:
        at = f"{_START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
        number = len(issues) + 1
        row = {
            "number": number, "title": title, "body": body, "state": "open", "user": f"user{number}", "labels": [],
            "author_association": "NONE", "created_at": at, "updated_at": at, "closed_at": None, "comments_list": [],
        }  # fmt: skip
        issues.append({**row, **fields})
        return number

    problems = list(product(_THINGS, _FAILURES))
    first = {}
    for place, (thing, (failure, error, body)) in enumerate(problems):
        text = f"{body.format(thing)}\n\n```\n{error.format(thing)}\n```\n\n### Environment\n- OS: Linux"
        first[thing, failure] = add(f"[Bug] The {thing} {failure}", text, 10 * place)
    for place, (thing, (failure, error, _)) in enumerate(problems):
        if place % 2:
            add(f"Please document the {thing}, part {place}", f"How is the {thing} set up?", 700 + 10 * place)
            continue
        at = f"{_START + timedelta(hours=705 + 10 * place):%Y-%m-%dT%H:%M:%SZ}"
        comment = {
            "id": 10_000 + place, "user": "maintainer", "author_association": "MEMBER", "created_at": at,
            "updated_at": at, "body": f"Duplicate of #{first[thing, failure]}",
        }  # fmt: skip
        text = f"Since the update it {failure}.\n\n```\n{error.format(thing)}\n```\n\n### Environment\n- OS: macOS"
        add(
            f"[Bug] {thing} {failure}", text, 700 + 10 * place,
            state="closed", state_reason="duplicate", closed_at=at, comments_list=[comment],
        )  # fmt: skip
    return {"full_name": "o/r", "issues": issues}


@pytest.fixture(scope="session")
def reported_twice() -> dict[str, Any]:
    return history()
