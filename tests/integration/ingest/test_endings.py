"""However a sync ends, the status of its source says so in a sentence."""

from __future__ import annotations

import errno

import pytest

from rag.engine import Engine
from rag.errors import RagError, SourceError
from rag.sources import Failed
from rag.store.sources import UNENDED
from tests.servers.memory_source import MemorySource, page


def _error(number: int) -> OSError:
    return OSError(number, "as the system says it", "/rag/repositories/docs")


@pytest.mark.parametrize(
    ("error", "said", "retryable"),
    [
        (_error(errno.ENOSPC), "docs: the disk is full at /rag/repositories/docs. Free some space", True),
        (_error(errno.EDQUOT), "docs: the disk is full", True),
        (_error(errno.EROFS), "docs: the disk is read-only at /rag", False),
        (PermissionError(errno.EACCES, "no", "/rag"), "docs: the folder is not writable at /rag", False),
        (MemoryError(), "docs: out of memory", True),
        (KeyError("x"), "docs: an error of this program ended the sync: KeyError: 'x'.", False),
        (ZeroDivisionError(), "ended the sync: ZeroDivisionError: no message.", False),
    ],
)
def test_whatever_ends_a_sync_is_told_and_recorded(
    empty_engine: Engine, error: Exception, said: str, retryable: bool
) -> None:
    with pytest.raises(RagError) as raised:
        empty_engine.syncs.ingest(MemorySource([page("a", "First."), error]))

    assert said in str(raised.value)
    assert raised.value.retryable is retryable
    assert empty_engine.operations.status()["sources"][0]["last_error"] == str(raised.value)


def test_an_interrupted_sync_is_recorded(empty_engine: Engine) -> None:
    def interrupt(_report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        empty_engine.syncs.ingest(MemorySource([page("a", "First.")]), progress=interrupt)

    assert empty_engine.operations.status()["sources"][0]["last_error"] == "The last sync was interrupted."


def test_a_sync_that_succeeds_leaves_no_note(empty_engine: Engine) -> None:
    def look(_report: object) -> None:
        assert empty_engine.operations.status()["sources"][0]["last_error"] is None

    empty_engine.syncs.ingest(MemorySource([page("a", "First.")]), progress=look)

    assert empty_engine.operations.status()["sources"][0]["last_error"] is None
    assert UNENDED not in str(empty_engine.operations.status())


def test_no_secret_of_an_address_is_told_or_recorded(empty_engine: Engine) -> None:
    page_url = "https://example.org/docs/a;jsessionid=c4n4ryXq9"
    with pytest.raises(SourceError) as raised:
        empty_engine.syncs.ingest(MemorySource([SourceError("https://a.org/#access_token=c4n4ryXq9 is missing.")]))
    broken = str(empty_engine.operations.status())

    report = empty_engine.syncs.ingest(MemorySource([Failed(page_url, f"{page_url} is missing")]))

    said = [str(raised.value), broken, str(report.to_json()), str(empty_engine.operations.status())]
    assert [text for text in said if "c4n4ry" in text] == []
    assert [("access_token=****" in text or "jsessionid=****" in text) for text in said] == [True] * 4
