"""Versions of software: as a URL, a label or a question names them, and in what order they came out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "PLACEHOLDER",
    "Placed",
    "covers",
    "is_stable",
    "named",
    "newest",
    "newest_first",
    "placed",
    "versions_in",
    "without_version",
]

#: What stands for the version in a URL pattern of sources.toml.
PLACEHOLDER = "{version}"

_VERSION = r"v?(\d+(?:\.(?:\d+|x))*(?:[-.]?(?:alpha|beta|rc|a|b|dev|pre|preview|next)\.?\d*)?)"
_LABEL = re.compile(
    rf"^(?:[\w ./-]*[ :/_-])?(?:version|ver|affects|release|milestone|target)?[ :/_-]*{_VERSION}(?:\.x)?$", re.I
)
_UNSTABLE = re.compile(r"alpha|beta|rc|dev|pre|next|main|master|latest|nightly|head|trunk|\d[ab]\d", re.I)
# A bare number is a version behind such a word, or behind the name of the product.
_BEFORE = r"(?:\b(?:versions?|releases?|ver\.?)\s*|\bv|\b[A-Z][A-Za-z+#.]*\s+v?)"
_NOT_A_PRODUCT = re.compile(
    r"(?:chapter|table|section|figure|step|line|port|page|error|code|issue|rfc|http|utf|iso|sha|step|part|top|the|is|in|at"
    r"|how|what|why|when|can|does|do|set|use|with|for|about|level|type|sqlstate|postgres error)$",
    re.I,
)
_LEADING = re.compile(r"[\s(,]*(?:\b(?:in|for|on|with|of|under|since|using))?\s*v?$", re.I)
_UNIT = re.compile(
    r"^\s*(?:%|(?:ms|s|sec\w*|min\w*|h|hours?|days?|weeks?|months?|years?|[kmgt]i?b|bytes?|rows?|times?|users?|columns?"
    r"|connections?|threads?|cores?|files?|lines?|characters?|bits?|items?)\b)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """The version of a page, and of what it is the version: pages of one product differ in their version only."""

    version: str
    product: str


def placed(setting: str | None, url: str, source: str) -> Placed | None:
    """Return the version of a page; None if it has none.

    :param setting: the `version` of its source: a version, or a URL pattern with `{version}`
    :param source: the name of its source
    """
    if setting is None:
        return None
    if PLACEHOLDER not in setting:
        # The same manual of two versions is two sources, whose names or addresses differ in the version.
        parts = re.split(rf"(?<![\w.]){re.escape(setting)}(?![\w.])", url, maxsplit=1)
        product = parts[0] if len(parts) > 1 else re.sub(rf"[-_.]?v?{re.escape(setting)}$", "", source)
        return Placed(setting, product)
    before, _, after = setting.partition(PLACEHOLDER)
    found = re.match(f"{_glob(before)}([^/]+?){_glob(after)}", url)
    return Placed(found[1].removeprefix("v") if found[1][1:2].isdigit() else found[1], before) if found else None


def versions_in(names: Iterable[str | None]) -> list[str]:
    """Return the versions that milestones and labels name: "v1.2", "version: 1.2", "affects/1.2"."""
    found = [match[1] for name in names if name and (match := _LABEL.match(name.strip()))]
    return list(dict.fromkeys(version.removesuffix(".x") for version in found))


def newest(versions: Iterable[str]) -> str | None:
    """Return the newest stable version, or the newest if none is stable."""
    return max(versions, key=_age, default=None)


def newest_first(versions: Iterable[str]) -> list[str]:
    """Return versions without repetitions, the newest stable one first."""
    return sorted(set(versions), key=_age, reverse=True)


def is_stable(version: str) -> bool:
    """Return whether a version is neither a preview nor the name of a branch."""
    return not _UNSTABLE.search(version)


def covers(one: str, other: str) -> bool:
    """Return whether one version contains another: 15 covers 15.2, and the manual of 15 is that of 15.2."""
    a, b = one.lower().split("."), other.lower().split(".")
    shorter = min(len(a), len(b))
    return a[:shorter] == b[:shorter]


def named(question: str, known: Sequence[str]) -> str | None:
    """Return the version that a question names; None if it names none.

    A number that is not a known version counts only behind "version" or "v": it may be of something else.

    :param known: the versions of the index
    """
    found = _named(question, known)
    return found[0] if found else None


def without_version(question: str, known: Sequence[str]) -> str:
    """Return a question without the version that it names, whose pages need not repeat it; a product's name stays."""
    found = _named(question, known)
    if found is None:
        return question
    start, end = found[1]
    before = _LEADING.sub("", question[:start])
    rest = question[end:].lstrip() if before else _begun(question[end:].lstrip(" ,:"))
    return re.sub(r"\s+(?=[?.!,)]|$)", "", f"{before} {rest}".strip()) or question


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _named(question: str, known: Sequence[str]) -> tuple[str, tuple[int, int]] | None:
    """Return the version that a question names, and where it says so."""
    for match in re.finditer(rf"(?P<before>{_BEFORE})?(?<![\w.,-])?{_VERSION}(?![\w-]|\.\d)", question):
        before = (match["before"] or "").strip()
        version = match[2]
        if _UNIT.match(question[match.end() :]) or _NOT_A_PRODUCT.search(before):
            continue
        is_known = any(covers(version, one) for one in known)
        says_so = before.lower().rstrip(".") in ("version", "versions", "release", "releases", "ver", "v")
        if says_so or (is_known and (before or ("." in version and version in known))):
            return version, (match.start() if says_so else match.start(2), match.end())
    for one in known:
        if not one[:1].isdigit() and (name := re.search(rf"\b{re.escape(one)}\b", question)):
            return one, name.span()
    return None


def _glob(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _age(version: str) -> tuple[bool, tuple[int, ...], str]:
    return is_stable(version), *_order(version)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(part) for part in re.findall(r"\d+", version)), version
