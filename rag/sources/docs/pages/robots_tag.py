"""The X-Robots-Tag header: directives for all crawlers, or for one that it names."""

from __future__ import annotations

__all__ = ["directives"]

_OWN_NAME = "support-engine"
#: directives with a value; any other word before a colon is the name of a crawler
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def directives(headers: str) -> frozenset[str]:
    """Return the directives that hold for this crawler, in lower case.

    :param headers: the header lines, one a line; a crawler named in a line is addressed up to its end
    """
    found: set[str] = set()
    for header in headers.lower().splitlines():
        is_for_us = True
        for part in header.split(","):
            name, colon, rest = part.strip().partition(":")
            is_name = bool(colon) and " " not in name.strip() and name.strip() not in _WITH_VALUE
            if is_name:
                is_for_us = name.strip() in (_OWN_NAME, "*")
            if is_for_us:
                found.update((rest if is_name else part).split())
    return frozenset(found)
