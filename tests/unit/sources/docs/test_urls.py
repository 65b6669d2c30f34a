"""Addresses have one spelling, and belong to a source or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources.docs.urls import Scope, may_be_page, normalise, twins


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Docs.Example.ORG:80/A", "http://docs.example.org/A"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:8443/x", "https://example.org:8443/x"),
        ("http://user:secret@example.org/x", "http://example.org/x"),
        ("http://example.org/a/./b/../c//d/", "http://example.org/a/c/d/"),
        ("http://example.org/%7euser/%c3%a9", "http://example.org/~user/%C3%A9"),
        ("http://example.org/é x", "http://example.org/%C3%A9%20x"),
        ("http://example.org/100%", "http://example.org/100%25"),
        ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
        ("http://example.org/a%2541", "http://example.org/a%2541"),
        ("http://example.org/a?b=2&a=1&utm_source=x&gclid=y#part", "http://example.org/a?a=1&b=2"),
        ("http://example.org/a;jsessionid=1?x=1", "http://example.org/a?x=1"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        (" http://example.org\\a ", "http://example.org/a"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
        ("mailto:x@example.org", None),
        ("file:///etc/passwd", None),
        ("http://", None),
        ("http://[::1", None),
        ("http://example.org:99999/", None),
        (f"http://example.org/{'a' * 3000}", None),
    ],
)
def test_normalise_gives_one_spelling_per_address(url: str, expected: str | None) -> None:
    assert normalise(url) == expected


@given(st.text())
def test_normalise_accepts_any_text_and_is_idempotent(text: str) -> None:
    for base in ("", "http://example.org/docs/"):
        once = normalise(text, base)
        assert once is None or normalise(once) == once


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("a.html", "https://example.org/docs/15/a.html"),
        ("deep/a.html", "https://example.org/docs/15/deep/a.html"),
        ("http://example.org/docs/15/a.html", "https://example.org/docs/15/a.html"),
        ("//example.org/docs/15/a.html", "https://example.org/docs/15/a.html"),
        ("../16/a.html", None),
        ("/docs/150/a.html", None),
        ("https://example.org.evil.net/docs/15/a.html", None),
        ("https://example.org:8443/docs/15/a.html", None),
        ("https://example.org/docs/15/../../admin", None),
        ("https://example.org/docs/15/%2e%2e/%2e%2e/admin", None),
        ("javascript:alert(1)", None),
        ("#part", None),
    ],
)
def test_only_addresses_under_the_start_folder_are_in_scope(href: str, expected: str | None) -> None:
    scope = Scope("https://example.org/docs/15/index.html")

    assert scope.link(href, scope.start) == expected


@pytest.mark.parametrize(
    ("include", "exclude", "path", "wanted"),
    [
        (["**"], [], "a/b.html", True),
        (["**"], ["*/bookindex.html"], "bookindex.html", False),
        (["**"], ["*/bookindex.html"], "part/bookindex.html", False),
        (["**"], ["bookindex.html"], "part/bookindex.html", True),
        (["guide/**"], [], "guide/a/b.html", True),
        (["guide/**"], [], "guide/", True),
        (["guide/**"], [], "api/a.html", False),
        (["*.html"], [], "a/b.html", False),
        (["{guide,api}/**"], ["**/old/**"], "api/old/x", False),
        (["**"], ["_modules/**"], "_modules/x.html", False),
        (["**"], [], "", True),
        (["index.html"], [], "", True),
        (["a.html"], [], "a.html?x=1", True),
    ],
)
def test_globs_match_paths(include: list[str], exclude: list[str], path: str, wanted: bool) -> None:
    scope = Scope("https://example.org/docs/", include, exclude)

    assert scope.wants(f"https://example.org/docs/{path}") is wanted


def test_twins_are_symmetric() -> None:
    for url in ("http://x/a/", "http://x/a", "http://x/a.html", "http://x/a/index.html"):
        assert all(url in twins(twin) for twin in twins(url) if not twin.endswith((".htm", "/index.html")))


@pytest.mark.parametrize(
    ("path", "page"), [("/a.html", True), ("/v1.2", True), ("/x.PDF", False), ("/a.tar.gz", False)]
)
def test_addresses_that_may_be_pages_are_recognised(path: str, page: bool) -> None:
    assert may_be_page(path) is page
