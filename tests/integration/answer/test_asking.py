"""Questions that miss the words of the index, and follow-ups, over a small manual without a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from rag.answer.answer import Answer, Turn
from rag.answer.notices import ABSTENTION, without_notices
from rag.engine import Engine
from tests.servers.memory_source import MemorySource, page

PAGES = [
    page(
        "vcs-clone",
        "vcs-clone - Copy a repository into a new directory\n\n## Description {#description}\n\nClones a repository into "
        "a newly created directory, and checks out its current branch.\n\n## Options {#options}\n\n**--depth <depth>**\n"
        "Create a shallow clone whose history is cut after that many commits. To clone only the latest commit, give 1."
        "\n\n**--shallow-submodules**\nClone the submodules like that, too: each of them is cloned with a depth of 1.\n\n"
        "**--origin <name>**\nUse another name than origin for the remote repository.",
        title="vcs-clone",
    ),
    page(
        "vcs-fetch",
        "vcs-fetch - Download objects from another repository\n\n## Description {#description}\n\nFetches branches and "
        "tags from another repository, along with the objects that complete their histories.\n\n## Options {#options}"
        "\n\n**--unshallow**\nGet the rest of the history later, after a shallow clone of only the latest commit."
        "\n\n**--prune**\nRemove the remote-tracking branches that are gone on the remote repository.",
        title="vcs-fetch",
    ),
    page(
        "vcs-cherry-pick",
        "vcs-cherry-pick - Apply the changes of existing commits\n\n## Description {#description}\n\nTo cherry-pick a "
        "commit is to apply the change that it introduces, and to record it as a new commit.\n\n## Options {#options}"
        "\n\n**--no-commit**\nApply the changes of the commit without making a commit of them.",
        title="vcs-cherry-pick",
    ),
    page(
        "vcs-log",
        "vcs-log - Show the history of a branch\n\n## Description {#description}\n\nShows the commits of a branch, the "
        "latest first. The history can be limited to a directory.\n\n## Simplification {#simplification}\n\nThe rest of "
        "the history is left out if only a file is asked for.",
        title="vcs-log",
    ),
    page(
        "vcs-tag",
        "vcs-tag - Create, list and delete tags\n\n## Description {#description}\n\nA tag gives a commit a name that "
        "does not change.\n\n## Options {#options}\n\n**--sign**\nSign the tag with the default key: `vcs tag --sign`.",
        title="vcs-tag",
    ),
    page(
        "config",
        "## Settings {#settings}\n\n`max_wal_size`\nThe size to which the journal may grow between two checkpoints. The "
        "default of max_wal_size is 1 GB.\n\n`shared_buffers`\nThe memory of the server for shared buffers. The default "
        "is 128 MB.",
        title="Settings",
    ),
]  # fmt: skip
# What a word weighs depends on how many pages lack it.
_OTHERS = {
    "merge": "Join two branches", "rebase": "Move a branch to another base", "bisect": "Find the change that broke it",
    "blame": "Show who changed each line", "stash": "Put changes aside", "archive": "Pack a directory into one file",
    "grep": "Print the lines that match", "gc": "Tidy up the objects", "notes": "Attach remarks to objects",
    "mv": "Rename a file", "rm": "Delete a file", "diff": "Compare two states", "show": "Print an object",
    "init": "Create an empty archive", "daemon": "Serve over the network", "hook": "Run a script at an event",
    "mail": "Send a series of patches", "apply": "Apply a patch to files", "describe": "Name an object after a release",
    "reset": "Move the tip of a branch", "remote": "Manage the tracked servers", "submodule": "Nest another archive",
}  # fmt: skip
PAGES += [
    page(
        f"vcs-{name}",
        f"vcs-{name} - {what}\n\n## Description {{#description}}\n\n{what}, as the user asks for it. See the examples of "
        f"vcs-{name} below.\n\n## Options {{#options}}\n\n**--quiet**\nPrint nothing while vcs-{name} runs.",
        title=f"vcs-{name}",
    )
    for name, what in _OTHERS.items()
]


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    return module_engine(MemorySource(PAGES))


def asked_in_turn(engine: Engine, *questions: str) -> Answer:
    """Return the last answer of a conversation."""
    history: list[Turn] = []
    for question in questions:
        answer = engine.ask(question, history=history)
        history.append(answer.turn)
    return answer


@pytest.mark.parametrize(
    ("question", "searched", "fact"),
    [
        ("cherrypik a comit", "cherry-pick a commit", "vcs-cherry-pick"),
        ("what is the default of maxwalsize", "what is the default of max_wal_size", "1 GB"),
        ("defualt of shared_bufers", "default of shared_buffers", "128 MB"),
        ("how do I clone a repositry", "how do I clone a repository", "--depth"),
    ],
)
def test_a_misspelt_question_is_answered_in_the_words_of_the_index_and_says_so(
    engine: Engine, question: str, searched: str, fact: str
) -> None:
    answer = engine.ask(question)
    assert answer.answered
    assert answer.answer.startswith(f"Searched for “{searched}”.\n\n")
    assert fact in answer.answer
    assert answer.question == question
    assert answer.note is None


@pytest.mark.parametrize(
    ("question", "offered", "fact"),
    [
        ("what is the default of max_wal_size of the jurnal", "journal", "1 GB"),
        ("default of max-wal-size", "max_wal_size", "1 GB"),
    ],
)
def test_words_are_offered_below_an_answer_that_the_known_words_lead_to(
    engine: Engine, question: str, offered: str, fact: str
) -> None:
    answer = engine.ask(question)
    assert fact in answer.answer
    assert answer.answer.endswith(f"\n\nDid you mean “{offered}”?")
    assert without_notices(answer.answer).endswith("]")


def test_a_stream_says_first_what_was_searched_for(engine: Engine) -> None:
    *pieces, answer = engine.questions.ask_stream("cherrypik a comit")
    assert isinstance(answer, Answer)
    assert "".join(map(str, pieces)).strip() == answer.answer
    assert str(pieces[0]).startswith("Searched for “cherry-pick a commit”.\n\n")


def test_words_are_offered_where_the_corrected_question_has_no_answer_either(engine: Engine) -> None:
    answer = engine.ask("how many checkpionts has a tag")
    assert (answer.answered, answer.answer) == (False, f"{ABSTENTION} Did you mean “checkpoints”?")


def test_a_word_of_another_source_is_not_offered(module_engine: Callable[..., Engine]) -> None:
    plans = page("plans", "The xylophone is played in spring, and its xylophone player is tuned.", source="private")
    engine = module_engine(MemorySource(PAGES), MemorySource([plans], name="private"))
    question = "how many tags has a xylohpone"
    assert "xylophone" in engine.ask(question).answer
    assert "xylophone" not in engine.ask(question, source="docs").answer


@pytest.mark.parametrize(
    "question",
    [
        "shared buffers default",  # its words are known
        "patroni: how do I fail over",
        "mongodb shard a collection",
        "kubectl drain a node",
        "vcs-clone with --depht5",  # a number is no letter
    ],
)
def test_other_questions_are_not_corrected(engine: Engine, question: str) -> None:
    answer = engine.ask(question)
    assert "Searched for" not in answer.answer
    assert "Did you mean" not in answer.answer


def test_a_neighbour_product_does_not_become_a_word_that_is_spelt_like_it(module_engine: Callable[..., Engine]) -> None:
    text = "## Patron {#patron}\n\nA patron of the library borrows books, and brings them back."
    engine = module_engine(MemorySource([page("patrons", text)], name="docs"))
    answer = engine.ask("patroni: how do I switch over")
    assert not answer.answered
    assert answer.answer == ABSTENTION


def test_the_vocabulary_is_that_of_the_index_as_it_is_now(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES[:2]))
    assert "cherry-pick" not in empty_engine.ask("cherrypik a comit").answer
    empty_engine.syncs.ingest(MemorySource(PAGES))
    assert "cherry-pick" in empty_engine.ask("cherrypik a comit").answer


def test_a_question_in_another_language_is_told_what_would_help(engine: Engine) -> None:
    answer = engine.ask("Wie bekomme ich einen Kaffee ohne Zucker?")
    assert not answer.answered
    assert answer.answer.startswith(ABSTENTION)
    assert "in German" in answer.answer
    assert "RAG_EMBEDDING_MODEL=hf:" in answer.answer


def test_words_that_the_index_knows_are_searched_for_in_any_language(engine: Engine) -> None:
    answer = engine.ask("Was ist der default von max_wal_size?")
    assert "1 GB" in answer.answer


@pytest.mark.parametrize(
    ("questions", "fact"),
    [
        (["How do I clone only the latest commit?", "and how do I get the rest of the history later?"], "--unshallow"),
        (["How do I clone only the latest commit?", "can its submodules be cloned like that, too?"], "--shallow-sub"),
        (["what is the default of max_wal_size?", "and that of shared_buffers?"], "128 MB"),
        (["How do I clone only the latest commit?", "unrelated: how do I sign a tag?"], "--sign"),
        (["How do I clone only the latest commit?", "How do I sign a tag?"], "--sign"),
        (["cherrypik a comit", "and without making a commit of it?"], "--no-commit"),
    ],
)
def test_a_follow_up_reaches_what_the_conversation_is_about(
    engine: Engine, questions: Sequence[str], fact: str
) -> None:
    assert fact in asked_in_turn(engine, *questions).answer


def test_a_change_of_the_subject_is_not_dragged_back(engine: Engine) -> None:
    answer = asked_in_turn(engine, "How do I clone only the latest commit?", "unrelated: how do I sign a tag?")
    assert answer.sources[0].url.partition("#")[0] == "https://example.org/vcs-tag"
    assert answer.question == "unrelated: how do I sign a tag?"


def test_a_logged_conversation_knows_the_pages_that_it_cited(engine: Engine) -> None:
    from uuid import UUID

    answer = engine.ask("How do I clone only the latest commit?")
    (turn,) = engine.answer_log.thread(UUID(answer.id))
    assert turn == answer.turn
    assert turn.pages[0] == "https://example.org/vcs-clone"


def test_who_wrote_it_is_not_answered_with_a_synopsis(module_engine: Callable[..., Engine]) -> None:
    text = "## vcs {#vcs}\n\nvcs - The tracker of contents\n\n## Synopsis {#synopsis}\n\n```\nvcs *\n```\n\n" * 2
    engine = module_engine(MemorySource([page("vcs", text, title="vcs")]))
    assert "vcs *" not in engine.ask("who wrote vcs?").answer


@pytest.mark.parametrize("question", ["who wrote vcs?", "Who maintains vcs", "who is the author of vcs?"])
def test_who_wrote_it_is_said_where_the_authors_are_named(module_engine: Callable[..., Engine], question: str) -> None:
    manual = "## vcs {#vcs}\n\nvcs - The tracker of contents. Somebody who wrote a change can record it with vcs.\n\n"
    people = "## Authors {#authors}\n\nVcs was started by Ann Author, and is maintained by Bob Builder today.\n\n"
    engine = module_engine(
        MemorySource(
            [page("vcs", manual * 3 + people, title="vcs"), page("vcs-write", manual.replace("vcs", "vcs-write"))]
        )
    )
    assert engine.ask(question).answer.startswith("Vcs was started by Ann Author")
