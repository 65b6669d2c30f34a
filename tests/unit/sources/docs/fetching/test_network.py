"""Private addresses are refused after the name is resolved, unless the configuration names the host."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpcore
import pytest

from rag.sources.docs.fetching.fetch import Fetcher, FetchError, Limits
from rag.sources.docs.fetching.network import Deadline, is_public
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
        "fec0::1",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:fffe::8.8.8.8",
        "192.0.0.192",
        "192.0.0.8",
        "168.63.129.16",
        "100.100.100.200",
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "2001:db8::1",
        "3fff::1",
        "2606:4700::5efe:a00:1",
        "fd00:ec2::254",
        "5f00::1",
        "100::1",
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
        assert fetcher.private == {"docs.example.org": False}


@pytest.mark.parametrize("seen", [None, True])
def test_a_host_of_the_configuration_that_was_private_before_stays_trusted(seen: bool | None) -> None:
    with DocsSite() as site:
        site.put("/", html("Intranet"))
        private = {} if seen is None else {"127.0.0.1": seen}
        with Fetcher(trusted=["127.0.0.1"], private=private) as fetcher:
            fetcher.get(site.url("/"))
            assert fetcher.private == {"127.0.0.1": True}


def test_a_host_that_was_public_at_the_last_sync_must_not_be_private_now() -> None:
    with DocsSite() as site:
        site.put("/", html("Secret"))
        with (
            Fetcher(trusted=["127.0.0.1"], private={"127.0.0.1": False}) as fetcher,
            pytest.raises(FetchError, match=r"had a public address before and now resolves to .* rag\.remove"),
        ):
            fetcher.get(site.url("/"))

    assert not site.requests


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[DocsSite]:
    """A proxy that the environment names; it answers for every host."""
    with DocsSite() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        yield proxy


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "0x0a000001"])
def test_a_private_address_is_refused_behind_a_proxy_too(proxy: DocsSite, host: str) -> None:
    with Fetcher() as fetcher, pytest.raises(FetchError, match="private address"):
        fetcher.get(f"http://{host}/")

    assert not proxy.requests


def test_a_proxy_resolves_the_names_that_this_machine_does_not_know(proxy: DocsSite) -> None:
    proxy.put("http://docs.invalid/", html("Start"))

    with Fetcher() as fetcher:
        assert b"Start" in fetcher.get("http://docs.invalid/").body


def test_the_deadline_holds_behind_a_proxy(proxy: DocsSite) -> None:
    proxy.put("http://docs.invalid/", proxy.drip(b"a", 0.05))
    limits = Limits(attempts=1, deadline=0.4, timeout=5.0)

    with Fetcher(limits=limits) as fetcher, pytest.raises(FetchError, match=r"took longer than 0\.4 s"):
        fetcher.get("http://docs.invalid/")


def test_a_name_that_no_host_can_have_is_unknown() -> None:
    with Fetcher() as fetcher, pytest.raises(FetchError, match=r"does not exist|not the name of a host|invalid"):
        fetcher.get(f"http://{'a' * 70}.example.org/")


def test_a_deadline_shortens_timeouts_and_expires() -> None:
    deadline = Deadline()
    assert deadline.left(5.0) == 5.0

    deadline.set(1.0)
    assert (deadline.left(5.0) or 0) <= 1.0

    deadline.set(-1.0)
    with pytest.raises(httpcore.ReadTimeout):
        deadline.left(5.0)
