"""Hostile and broken replies: each is reported by its cause, and the rest of the site is read."""

from __future__ import annotations

import gzip
import resource
import zlib

import pytest

from rag.sources.docs import Limits
from tests.integration.sources.docs.conftest import Crawl
from tests.servers.docs_site import DocsSite, Reply, html

# The deadlines let a busy machine send every valid reply.
SMALL = Limits(backoff=0.01, timeout=4.0, deadline=5.0, attempts=1, body_bytes=1_000_000)


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = b"a" * 1_000_000
    return b"".join(packer.compress(zeros) for _ in range(size // len(zeros))) + packer.flush()


def replies(site: DocsSite) -> dict[str, tuple[Reply, str]]:
    """The reply and the expected message of each hazard."""
    packed = {"Content-Encoding": "gzip"}
    return {
        "huge": (Reply(b"<p>" + b"a" * 1_100_000), "the body is larger than 1 MB"),
        "announced": (Reply(b"<p>", headers={"Content-Length": "99999999999"}), "the body is larger than 1 MB"),
        "bomb": (Reply(gzip_bomb(500_000_000), headers=packed), "the body is larger than 1 MB"),
        "endless": (Reply(site.drip(b"<p>more</p>" * 1000, 0)), "the body is larger than 1 MB"),
        "drip": (Reply(site.drip(b"a", 0.1)), "the server took longer than 5 s to answer in full"),
        "silent": (Reply(wait=30.0), "the server took longer than 4 s to answer"),
        "not-gzip": (Reply(b"<p>plain", headers=packed), "the body is not valid gzip"),
        "cut-gzip": (Reply(gzip.compress(b"<p>x" * 5000)[:40], headers=packed), "the body broke off"),
        "zstd": (Reply(b"x", headers={"Content-Encoding": "zstd"}), "the body is encoded as 'zstd'"),
        "binary": (Reply(bytes(range(256)) * 20), "the body is binary"),
        "dropped": (Reply(drop=True), "the connection failed"),
        "nowhere": (Reply(status=302, headers={"Location": "http://[::1"}), "it redirects to an invalid address"),
        "login": (Reply(status=401), "it asks for a login"),
        "teapot": (Reply(status=418), "it cannot be read (the server answers 418)"),
    }


def test_each_hazard_is_reported_by_its_cause_and_other_pages_are_read(site: DocsSite, crawl: Crawl) -> None:
    hazards = replies(site)
    for name, (reply, _) in hazards.items():
        site.replies[f"/docs/{name}"] = reply
    site.put("/docs/nested", "<p>before</p>" + "<div>" * 10_000 + "deep" + "</div>" * 10_000)
    site.put("/docs/good", html("Good"))
    site.put("/docs/index.html", html("Start", links=[*hazards, "nested", "good"]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    outcome = crawl(limits=SMALL)

    assert set(outcome.changed) == {"/docs/index.html", "/docs/nested", "/docs/good"}
    assert set(outcome.failed) == {f"/docs/{name}" for name in hazards}
    for name, (_, message) in hazards.items():
        assert message in outcome.failed[f"/docs/{name}"], name
        assert "\n" not in outcome.failed[f"/docs/{name}"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_redirect_to_a_private_address_is_not_followed(site: DocsSite, crawl: Crawl) -> None:
    site.put("/docs/index.html", html("Start", links=["metadata"]))
    site.redirect("/docs/metadata", "http://169.254.169.254/latest/meta-data/")

    outcome = crawl()

    assert set(outcome.changed) == {"/docs/index.html"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_compressed_pages_are_read(site: DocsSite, crawl: Crawl, encoding: str) -> None:
    page = html("Start").encode()
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = {
        "gzip": gzip.compress(page),
        "deflate": zlib.compress(page),
        "raw deflate": raw.compress(page) + raw.flush(),
    }[encoding]
    site.put("/docs/index.html", body, headers={"Content-Encoding": encoding.removeprefix("raw ")})

    assert "All about Start." in crawl().text("/docs/index.html")
