"""The status of the reply, not the text of the error, decides the effect of a failing robots.txt."""

from __future__ import annotations

import httpx
import pytest

from rag.errors import SourceUnavailable
from rag.sources.docs.fetch import Fetcher, FetchError, Limits
from rag.sources.docs.robots import read_robots

FAST = Limits(attempts=2, backoff=0.001)


def fetcher(respond: httpx.Response | Exception) -> Fetcher:
    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(respond, Exception):
            raise respond
        return respond

    return Fetcher(limits=FAST, transport=httpx.MockTransport(handle))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_error_forbids_the_crawl(status: int) -> None:
    with pytest.raises(SourceUnavailable, match=r"robots\.txt cannot be read .*nothing may be crawled") as caught:
        read_robots("https://docs.example.org/", fetcher(httpx.Response(status)))

    assert isinstance(caught.value.__cause__, FetchError)
    assert caught.value.__cause__.status == status


def test_a_failed_connection_is_unavailable_whatever_the_text_of_its_error() -> None:
    with pytest.raises(FetchError, match="the server answers nonsense") as caught:
        read_robots("https://docs.example.org/", fetcher(httpx.ConnectError("the server answers nonsense")))

    assert caught.value.status is None
    assert caught.value.transient


def test_a_missing_file_allows_everything() -> None:
    assert read_robots("https://docs.example.org/", fetcher(httpx.Response(404))).allows("https://docs.example.org/a")
