"""Web addresses."""

from __future__ import annotations

import pytest

from rag.text.urls import is_web_url


@pytest.mark.parametrize("url", ["https://example.org", "http://127.0.0.1:8000/a?b#c", "https://bücher.example/ü"])
def test_a_web_address_is_one(url: str) -> None:
    assert is_web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://[",
        "http://[::1",
        "https://",
        "javascript:alert(1)",
        "//example.org",
        "file:///etc",
        "",
        "http://a\nb",
        "a",
    ],
)
def test_anything_else_is_none(url: str) -> None:
    assert not is_web_url(url)
