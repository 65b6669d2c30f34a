"""A proxy of the environment gets nothing that is meant for this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from rag.net.proxies import keep_loopback_from_proxies
from tests.servers.docs_site import DocsSite, html


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a proxy that does not answer."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("no_proxy", "NO_PROXY"):  # so that they are restored
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    return monkeypatch


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached_directly(proxied: pytest.MonkeyPatch, name: str) -> None:
    with DocsSite() as site:
        site.put("/", html("Start"))
        url = site.url("/").replace("127.0.0.1", name)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        keep_loopback_from_proxies()
        assert httpx.get(url).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://example.invalid/")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a.example, .b.example", "a.example,.b.example,localhost,127.0.0.1,::1"), ("localhost,::1", None), ("*", "*")],
)
def test_what_the_user_excludes_stays_excluded(proxied: pytest.MonkeyPatch, given: str, kept: str | None) -> None:
    proxied.setenv("NO_PROXY", given)
    keep_loopback_from_proxies()
    keep_loopback_from_proxies()
    assert os.environ["NO_PROXY"] == (kept or "localhost,::1,127.0.0.1")


def test_an_environment_without_a_proxy_stays_as_it_is(proxied: pytest.MonkeyPatch) -> None:
    proxied.delenv("http_proxy")
    keep_loopback_from_proxies()
    assert os.environ["NO_PROXY"] == ""


def test_the_flows_reach_their_server_directly(proxied: pytest.MonkeyPatch) -> None:
    shown = "import os, flows; print(os.environ['no_proxy'])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert "127.0.0.1" in done.stdout
