"""Private addresses are refused after the name is resolved, unless the configuration names the host."""

from __future__ import annotations

import socket

import httpcore
import pytest

from rag.sources.docs.fetch import Fetcher, FetchError, Limits
from rag.sources.docs.network import Deadline, is_public
from tests.servers.docs_site import DocsSite, html


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_are_recognised_in_every_notation(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_public_addresses_are_recognised(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]"])
def test_an_unconfigured_host_must_not_be_private(host: str) -> None:
    with DocsSite() as site:
        site.put("/", html("Secret"))
        url = site.url("/").replace("127.0.0.1", host)
        with (
            Fetcher(trusted=["docs.example.org"]) as fetcher,
            pytest.raises(FetchError, match="private address") as caught,
        ):
            fetcher.get(url)

    assert not caught.value.transient
    assert not site.requests


def test_a_configured_host_may_be_private() -> None:
    with DocsSite() as site:
        site.put("/", html("Intranet"))
        with Fetcher(trusted=["127.0.0.1"]) as fetcher:
            assert b"Intranet" in fetcher.get(site.url("/")).body


def test_a_public_host_that_later_resolves_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(host: str, *_arguments: object, **_options: object) -> list[tuple[object, ...]]:
        address = next(answers) if host == "docs.example.org" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]

    def refuse(*_arguments: object, **_options: object) -> socket.socket:
        raise ConnectionRefusedError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", refuse)
    limits = Limits(attempts=1)
    with Fetcher(trusted=["docs.example.org"], limits=limits) as fetcher:
        with pytest.raises(FetchError):
            fetcher.get("http://docs.example.org/")
        with pytest.raises(FetchError, match=r"private address 127\.0\.0\.1"):
            fetcher.get("http://docs.example.org/")


def test_a_deadline_shortens_timeouts_and_expires() -> None:
    deadline = Deadline()
    assert deadline.left(5.0) == 5.0

    deadline.set(1.0)
    assert (deadline.left(5.0) or 0) <= 1.0

    deadline.set(-1.0)
    with pytest.raises(httpcore.ReadTimeout):
        deadline.left(5.0)
