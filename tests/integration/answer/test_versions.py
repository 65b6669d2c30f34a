"""Two versions of a manual: a question is answered for the one that it is about, and never silently from the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from llama_index.core.schema import Document

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.store.filters import Filters
from tests.servers.memory_source import MemorySource

ROOT = "https://docs.example.org/engine"
PAGES = {
    "14": {
        "keys": "# Keys\n\n## Rotate the signing key\n\nRotate the signing key with `engine key rotate --old`. "
        "The old signing key stays valid for one hour.",
        "fax": "# Fax gateway\n\n## Configure the fax gateway\n\nThe fax gateway is configured in `fax.ini`. "
        "Set `modem` to the device of the modem.",
        "backup": "# Backup\n\n## Back up one database\n\nBack up one database with `engine dump NAME`.",
        "memory": "# 19.4. Memory\n\n## Work memory\n\n`work_memory` (`integer`)\n\nSets the memory of a sort or a hash "
        "table. The final limit is found by multiplying it with the number of sorts. See Section 19.2. The default value "
        "of `work_memory` is 1 MB, which is enough for small tables.",
        "statistics": "# Statistics\n\n## The collector of statistics\n\nIf the collector is overloaded, the engine logs "
        "“using stale statistics instead of current ones”. Give the collector a faster disk.",
    },
    "15": {
        "keys": "# Keys\n\n## Rotate the signing key\n\nRotate the signing key with `engine rotate-key`. "
        "The old signing key stays valid for one day.",
        "backup": "# Backup\n\n## Back up one database\n\nBack up one database with `engine dump NAME`.",
        "memory": "# 20.4. Memory\n\n## Work memory\n\n`work_memory` (`integer`)\n\nSets the memory of a sort or a hash "
        "table. The final limit is found by multiplying it with the number of sorts. See Section 20.2. The default value "
        "of `work_memory` is 4 MB, which is enough for small tables.",
        "statistics": "# Statistics\n\n## The age of statistics\n\nStatistics that are stale are read again: current ones "
        "are kept in memory, and the engine logs “statistics are read again”.",
        "metrics": "# Metrics\n\n## Export metrics\n\nMetrics are exported in the format of Prometheus at `/metrics`.",
    },
    "16beta1": {
        "backup": "# Backup\n\n## Back up one database\n\nBack up one database with `engine dump NAME`.",
        "cloud": "# Cloud\n\n## Copy backups to the cloud\n\nBackups are copied to the cloud with `engine push BUCKET`.",
    },
}


def manual(version: str) -> MemorySource:
    name = f"manual-{version}"

    def page(path: str, text: str) -> Document:
        url = f"{ROOT}/{version}/{path}.html"
        about = {"url": url, "title": text.split("\n")[0].strip("# "), "source": name, "kind": "page"}
        return Document(
            id_=f"{name}:{url}", text=text, metadata={**about, "versions": [version], "product": f"{ROOT}/"}
        )

    return MemorySource([page(path, text) for path, text in PAGES[version].items()], name=name)


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    return module_engine(manual("14"), manual("15"), manual("16beta1"))


def pages(engine: Engine, question: str, **filters: str) -> list[str]:
    answer = engine.ask(question, filters=Filters(**filters))
    return [cited.url.removeprefix(ROOT).partition("#")[0] for cited in answer.sources]


def test_without_a_version_the_newest_answers(engine: Engine) -> None:
    answer = engine.ask("How do I rotate the signing key?")
    assert "engine rotate-key" in answer.answer
    assert answer.version == "15"
    assert all("/15/" in cited.url for cited in answer.sources)


def test_where_versions_differ_the_answer_names_the_other_one(engine: Engine) -> None:
    answer = engine.ask("How do I rotate the signing key?")
    assert f"Version 14 says it differently: {ROOT}/14/keys.html" in answer.answer
    (other,) = answer.other_versions
    assert other.version == "14"
    assert "--old" in other.quote


def test_where_versions_agree_no_other_one_is_named(engine: Engine) -> None:
    answer = engine.ask("How do I back up one database?")
    assert "engine dump" in answer.answer
    assert answer.other_versions == ()


def test_a_value_that_differs_is_shown_even_if_the_quoted_sentence_is_the_same(engine: Engine) -> None:
    answer = engine.ask("What is the default of work_memory?")
    assert "4 MB" in answer.answer
    (other,) = answer.other_versions
    assert (other.version, other.url.partition("#")[0]) == ("14", f"{ROOT}/14/memory.html")
    assert "1 MB" in other.quote


def test_a_preview_answers_only_if_it_is_named_or_nothing_else_does(engine: Engine) -> None:
    assert engine.ask("How do I back up one database?").version == "15"
    assert engine.ask("How do I back up one database in 16?").version == "16beta1"
    answer = engine.ask("How do I copy backups to the cloud?")
    assert answer.answer.startswith("The sources do not answer this for version 15. This is from version 16beta1:")


@pytest.mark.parametrize(
    ("question", "version"),
    [
        ("How do I rotate the signing key in 14?", "14"),
        ("Engine 14: how do I rotate the signing key?", "14"),
        ("engine 14 rotate the signing key", "14"),
        ("How do I rotate the signing key on 14.2?", "14"),
        ("With Engine 14.x, how do I rotate the signing key?", "14"),
        ("Since 15, how do I rotate the signing key?", "15"),
        ("How did I rotate the signing key before 15?", "14"),
    ],
)
def test_a_version_is_named_in_the_words_of_users(engine: Engine, question: str, version: str) -> None:
    answer = engine.ask(question)
    assert answer.version == version
    assert {cited.url.split("/")[4] for cited in answer.sources} == {version}
    assert {found.url.split("/")[4] for found in engine.search(question)} == {version}


def test_an_upgrade_is_answered_for_the_newer_version_and_names_what_differs(engine: Engine) -> None:
    answer = engine.ask("How is the signing key rotated after an upgrade from 14 to 15?")
    assert answer.version == "15"
    assert [other.version for other in answer.other_versions] == ["14"]


def test_a_follow_up_stays_with_the_version_of_its_conversation(engine: Engine) -> None:
    first = engine.ask("How do I back up one database in version 14?")
    assert engine.ask("How do I rotate the signing key?", history=[first.turn]).version == "14"
    assert engine.ask("And in 15, how do I rotate the signing key?", history=[first.turn]).version == "15"
    assert engine.ask("Unrelated: how do I rotate the signing key?", history=[first.turn]).version == "15"


def test_a_source_of_one_version_is_answered_from_it(engine: Engine) -> None:
    answer = engine.ask("How do I rotate the signing key?", filters=Filters(source="manual-14"))
    assert (answer.version, answer.other_versions) == ("14", ())
    assert not answer.answer.startswith("The sources do not answer this")
    found = engine.search("rotate the signing key", filters=Filters(source="manual-14"))
    assert {result.url.split("/")[4] for result in found} == {"14"}


@pytest.mark.parametrize("version", ["14", "15"])
def test_a_question_that_names_a_version_is_answered_from_it_alone(engine: Engine, version: str) -> None:
    answer = engine.ask(f"How do I rotate the signing key in version {version}?")
    assert {cited.url.split("/")[4] for cited in answer.sources} == {version}
    assert answer.version == version
    assert answer.other_versions == ()


def test_a_filter_names_the_version_as_well(engine: Engine) -> None:
    assert pages(engine, "How do I rotate the signing key?", version="14") == ["/14/keys.html"]
    found = engine.search("rotate the signing key", filters=Filters(version="14"))
    assert {result.url.split("/")[4] for result in found} == {"14"}


def test_what_only_another_version_answers_is_said_to_be_from_it(engine: Engine) -> None:
    answer = engine.ask("How do I configure the fax gateway?")
    assert answer.answer.startswith("The sources do not answer this for version 15. This is from version 14:\n\n")
    assert "fax.ini" in answer.answer
    assert (answer.answered, answer.version) == (True, "14")


def test_a_quoted_message_is_answered_from_the_version_that_has_it(engine: Engine) -> None:
    answer = engine.ask("What does “using stale statistics instead of current ones” mean?")
    assert answer.answer.startswith("The sources do not answer this for version 15. This is from version 14:")
    assert "overloaded" in answer.answer
    assert engine.ask("What does “statistics are read again” mean?").version == "15"


def test_a_stream_says_so_before_the_answer(engine: Engine) -> None:
    *blocks, answer = engine.questions.ask_stream("How do I configure the fax gateway?")
    assert blocks[0] == "The sources do not answer this for version 15. This is from version 14:\n\n"
    assert "".join(map(str, blocks)).strip() == answer.answer  # type: ignore[union-attr]


@pytest.mark.parametrize("question", ["How do I rotate the signing key?", "How do I configure the fax gateway?"])
def test_each_block_of_a_stream_ends_with_an_empty_line(engine: Engine, question: str) -> None:
    *blocks, answer = engine.questions.ask_stream(question)
    assert "".join(map(str, blocks)) == f"{answer.answer}\n\n"  # type: ignore[union-attr]


def test_what_no_version_answers_is_not_answered(engine: Engine) -> None:
    answer = engine.ask("How do I brew coffee with cardamom?")
    assert (answer.answered, answer.other_versions) == (False, ())


def test_a_version_that_no_document_has_is_refused_with_those_there_are(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="No document has version '9'; there are: 14, 15, 16beta1"):
        engine.ask("How do I rotate the signing key?", filters=Filters(version="9"))
