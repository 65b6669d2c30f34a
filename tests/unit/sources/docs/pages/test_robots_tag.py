"""A directive of X-Robots-Tag holds for the crawlers that it names."""

from __future__ import annotations

import pytest

from rag.sources.docs.pages.robots_tag import directives


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("noindex, nofollow", {"noindex", "nofollow"}),
        ("googlebot: noindex, nofollow", set()),
        ("bingbot: noindex\nnoarchive", {"noarchive"}),
        ("otherbot: nofollow, support-engine: noindex", {"noindex"}),
        ("Support-Engine: NoIndex", {"noindex"}),
        ("*: none", {"none"}),
        ("noindex, googlebot: nofollow", {"noindex"}),
        ("googlebot-news: noindex\nimagebot: none", set()),
        ("max-snippet: -1, noindex", {"max-snippet:", "-1", "noindex"}),
        ("unavailable_after: Sat, 25 Jun 2033 15:00:00 PST, nofollow", {"nofollow"}),
    ],
)
def test_directives_are_those_for_this_crawler(headers: str, expected: set[str]) -> None:
    assert directives(headers) >= expected
    assert ("noindex" in directives(headers)) == ("noindex" in expected)
