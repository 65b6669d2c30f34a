"""The status of the reply, not the text of the error, decides the effect of a failing robots.txt."""

from __future__ import annotations

import httpx
import pytest

from rag.errors import SourceUnavailable
from rag.sources.docs.fetching.fetch import Fetcher, FetchError, Limits
from rag.sources.docs.site.robots import Robots, read_robots

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


@pytest.mark.parametrize(
    ("rule", "delay"),
    [
        ("Crawl-delay: 2.5", 2.5),
        ("Crawl-delay: 30", 30.0),
        ("Crawl-delay: 600", 30.0),
        ("Crawl-delay: 1e9", 1.0),
        ("Crawl-delay: 99999999999999999999999", 1.0),
        ("Crawl-delay: inf", 0.0),
        ("Crawl-delay: nan", 0.0),
        ("Crawl-delay: -5", 0.0),
        ("Crawl-delay: soon", 0.0),
        ("Request-rate: 1/10", 10.0),
        ("Request-rate: 0/5", 0.0),
        ("Request-rate: 1/999999999d", 1.0),
    ],
)
def test_a_delay_that_nobody_can_mean_is_not_waited_for(rule: str, delay: float) -> None:
    assert Robots(f"User-agent: *\n{rule}\n").delay == delay


def test_a_shortened_delay_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    rules = httpx.ByteStream(b"User-agent: *\nCrawl-delay: 1e9\n")
    response = httpx.Response(200, stream=rules, headers={"content-type": "text/plain"})

    read_robots("https://docs.example.org/", fetcher(response))

    assert caplog.messages == [
        "robots.txt of docs.example.org asks for 1e+09 seconds between two requests; this crawl leaves 1"
    ]
