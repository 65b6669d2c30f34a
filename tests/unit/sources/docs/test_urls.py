"""Addresses have one spelling, and belong to a source or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources.docs.urls import Scope, file_suffix, is_media, normalise, resolved, twins


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
    ("path", "media", "suffix"),
    [
        ("/a.html", False, ""),
        ("/v1.2", False, ""),
        ("/x.PDF", True, ""),
        ("/a.tar.gz", False, "gz"),
        ("/cmd.exe", False, "exe"),
        ("/system.xml", False, "xml"),
        ("/next.js", False, "js"),
    ],
)
def test_media_and_addresses_named_like_files_are_recognised(path: str, media: bool, suffix: str) -> None:
    assert (is_media(path), file_suffix(path)) == (media, suffix)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://x/?faq", "http://x/?faq"),
        ("http://x/?faq=", "http://x/?faq="),
        ("http://x/index.php?/topic/7-a-b/", "http://x/index.php?/topic/7-a-b/"),
        ("http://x/?b&a&utm_source=mail", "http://x/?a&b"),
        ("http://x/?q=a b&p=1/2", "http://x/?p=1/2&q=a%20b"),
        ("http://x/?r=a:b,c&q=a+b&p=%2f", "http://x/?p=%2F&q=a+b&r=a:b,c"),
        ("http://x/?a=100%&b=%7Eu", "http://x/?a=100%25&b=~u"),
        ("http://x/?sid=install", "http://x/?sid=install"),
        ("http://x/?session=2", "http://x/?session=2"),
        ("http://x/?session_id=closing-keynote", "http://x/?session_id=closing-keynote"),
        ("http://x/?sid=0123456789abcdef0123456789abcdef", "http://x/"),
        ("http://x/?t=1&sessionid=a8Gs73_kdh2-4kds9Q", "http://x/?t=1"),
        ("http://x/?PHPSESSID=short", "http://x/"),
    ],
)
def test_a_query_keeps_its_spelling_but_for_what_identifies_a_visitor(url: str, expected: str) -> None:
    assert normalise(url) == expected


@pytest.mark.parametrize(
    "href", ["http://[", "http://[::1", "http://x:port/", "http://x:99999/", "ftp://x/", "mailto:a@b"]
)
def test_a_link_that_is_no_address_is_none(href: str) -> None:
    assert resolved(href, "http://docs.example.org/a/") is None


def test_a_relative_link_is_resolved() -> None:
    assert resolved(" ../b ", "http://docs.example.org/a/c") == "http://docs.example.org/b"
