"""The shape of an extractive answer: what it may not begin with, end with or repeat, and whose word counts in a thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.engine import Engine
from rag.settings import Settings
from tests.encoders import encoder_of
from tests.servers.github import GitHubServer
from tests.servers.memory_source import MemorySource, page

LONG_LIST = "\n".join(
    f"{number}. Set the switch {name} of the relay, and wait until its lamp is green," for number, name in
    enumerate(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"], start=1)
)  # fmt: skip
PAGES = [
    page(
        "relay",
        f"## Start the relay {{#start}}\n\nTo start the relay, take these steps:\n\n{LONG_LIST}\n11. Close the cabinet.\n\n"
        "The relay starts within a minute.",
        title="Relay",
    ),
    page(
        "cabinet",
        "## Cabinet {#cabinet}\n\nThe cabinet of the relay is locked with two keys,\n\n- the key of the operator,\n"
        "- the key of the engineer,\n\nand opens only if both are turned.",
        title="Cabinet",
    ),
    page(
        "copy",
        "## Keys {#keys}\n\nThe cabinet of the relay is locked with two keys, which are kept apart.",
        title="Keys",
    ),
    page(
        "copy-2",
        "## Locks {#locks}\n\nThe cabinet of the relay is locked with two keys, which are kept apart.",
        title="L",
    ),
]


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    return module_engine(MemorySource(PAGES))


def paragraphs(answer: str) -> list[str]:
    return [part.strip() for part in re.sub(r"\s*(?:\[\d+\])+", "", answer).split("\n\n") if part.strip()]


@pytest.mark.parametrize(
    "question",
    ["How do I start the relay?", "which keys lock the cabinet of the relay?", "lamp of the switch kappa", "relay"],
)
def test_an_answer_begins_and_ends_where_a_passage_does_and_says_nothing_twice(engine: Engine, question: str) -> None:
    answer = engine.ask(question)
    assert answer.answered
    said = paragraphs(answer.answer)
    assert not said[-1].endswith((",", ":", ";"))
    assert not re.match(r"(?:[2-9]|1\d)\. |and |or |, ", said[0])
    assert len(said) == len(set(said))


def thread(number: int, title: str, body: str, *comments: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "number": number, "title": title, "body": body, "state": "closed", "user": "ann", "author_association": "NONE",
        "labels": [], "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-12-01T00:00:00Z", "closed_at": None,
        "html_url": f"https://github.com/o/n/issues/{number}",
        "comments_list": [
            {
                "id": 100 * number + place, "user": user, "body": said, "author_association": role,
                "created_at": f"2024-02-0{place}T00:00:00Z", "updated_at": f"2024-02-0{place}T00:00:00Z",
            }
            for place, (user, role, said) in enumerate(comments, start=1)
        ],
    }  # fmt: skip


ISSUES = {
    "full_name": "o/n",
    "issues": [
        thread(
            1, "Is the reuse of a key share forbidden?",
            "May a client send the same key share in two connections, or is the reuse of a key share forbidden?",
            ("carl", "NONE", "I guess that the reuse of a key share is forbidden, but I have not read the draft."),
            ("dora", "MEMBER", "The reuse of a key share is not forbidden: a client should not do it, because it allows "
             "connections to be linked. We decided this at the interim; closing."),
        ),
        thread(
            2, "Alert for a bad record", "Which alert is sent for a bad record?",
            ("dora", "MEMBER", "The alert for a bad record is bad_record_mac."),
        ),
    ],
    "discussions": [],
}  # fmt: skip


@pytest.fixture
def forum(empty_engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "sources.toml").write_text('[[github]]\nname = "it"\nrepo = "o/n"\ninclude = ["issues"]\n')
    with GitHubServer(ISSUES, web_url="https://github.com") as server:
        values = {
            "RAG_HOME": empty_engine.settings.home,
            "RAG_DATABASE_URL": empty_engine.settings.database_url,
            "RAG_SOURCES": tmp_path / "sources.toml",
            "RAG_GITHUB_API_URL": server.api_url,
            "GITHUB_TOKEN": "t",
        }
        with Engine.open(Settings(**values), encoder=encoder_of(empty_engine)) as opened:
            assert opened.sync("it").state == "completed"
            yield opened


def test_the_later_comment_of_a_member_comes_before_the_guess_of_a_stranger(forum: Engine) -> None:
    answer = forum.ask("is key share reuse forbidden?")
    decided, guessed = answer.answer.find("is not forbidden"), answer.answer.find("I guess")
    assert decided >= 0
    assert guessed < 0 or decided < guessed
