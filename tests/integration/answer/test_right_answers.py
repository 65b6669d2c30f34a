"""Answers without a language model to questions of the kinds that users ask, over a small manual."""

from __future__ import annotations

import pytest

from rag.answer.answer import Turn
from rag.engine import Engine
from tests.servers.memory_source import MemorySource, page

PAGES = [
    page(
        "stow-undo",
        "stow-undo - Take back what the last snapshot did\n\n"
        "## Description {#description}\n\nTakes back a snapshot and leaves the record of it in the log.\n\n"
        "## Options {#options}\n\n**--keep**\nRemoves the last snapshot from the log, but keeps your changed files.\n\n"
        "**--wipe**\nRemoves the last snapshot, and the changed files with it.",
        title="stow-undo",
    ),
    page(
        "faq",
        "## Common questions {#common}\n\n### Should I take a pull or a peek? {#pull-or-peek}\n\n"
        "A peek only downloads the snapshots of the others. A pull is a peek followed by a merge into your files.",
        title="Questions",
    ),
    page(
        "stow-peek",
        "stow-peek - Download the snapshots of others\n\n## Notes {#notes}\n\nA peek refreshes the names of shelves. "
        "Peeks of several shelves are made one after the other.\n\n## Options {#options}\n\n**--depth**\n"
        "Limits the history to so many snapshots. The default is 50.",
        title="stow-peek",
    ),
    page(
        "shelves",
        "## How a shelf is renamed {#renamed}\n\nMove its folder, and tell the others.\n\n"
        "## Overview {#overview}\n\nThis page says what a shelf is, how a shelf is renamed, and how a shelf is dropped.",
        title="Shelves",
    ),
    page("authors", "Stow has notes of its releases. **Note:** see the list of files.", title="Notes"),
]


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    return empty_engine


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("undo the last snapshot but keep my changes", "--keep"),
        ("pull vs peek", "followed by a merge"),
        ("what is stow-peek", "Download the snapshots of others"),
        ("default depth of a peek", "50"),
        ("How is a shelf renamed?", "Move its folder"),
    ],
)
def test_the_answer_holds_the_fact_and_its_quotes_are_shown(engine: Engine, question: str, fact: str) -> None:
    answer = engine.ask(question)
    assert fact in answer.answer
    plain = " ".join(answer.answer.split())
    assert all(" ".join(source.quote.split()) in plain for source in answer.sources)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        (
            "Our customers' files live on a laptop with a tiny disk in another building, and everybody in the team complains "
            "how long it takes. Someone said that we do not need five years of everything there when we get the snapshots of "
            "others. What can I set so that only the most recent ones come?",
            "--depth",
        ),
        (
            "Yesterday evening I was tired and took a snapshot in the wrong moment. My boss must not see that one in the log "
            "tomorrow morning, although all the work of the day should stay on my disk. Which option?",
            "--keep",
        ),
    ],
)
def test_words_of_the_asker_s_situation_do_not_count_as_missing(engine: Engine, question: str, fact: str) -> None:
    """No manual has customers and evenings; the questions do not ask about them."""
    assert fact in engine.ask(question).answer


def test_a_section_whose_heading_is_the_question_comes_first(engine: Engine) -> None:
    assert engine.ask("How is a shelf renamed?").sources[0].url.endswith("#renamed")


@pytest.mark.parametrize("question", ["How do I encrypt a shelf with AES-GCM keys?", "kubectl: drain a node"])
def test_a_question_about_what_is_not_there_is_declined(engine: Engine, question: str) -> None:
    answer = engine.ask(question)
    assert not answer.answered
    assert answer.score < 0.5


def test_a_follow_up_is_about_the_subject_of_the_conversation(engine: Engine) -> None:
    answer = engine.ask("and what is its default depth?", history=[Turn("what is stow-peek?", "A command.")])
    assert "50" in answer.answer
