"""Versions of software: as a URL, a label or a question names them, and in what order they came out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "PLACEHOLDER",
    "VERSION",
    "Placed",
    "covers",
    "is_older",
    "is_stable",
    "newest",
    "newest_first",
    "placed",
    "plain",
    "title_tags",
    "versions_in",
]

#: What stands for the version in a URL pattern of sources.toml.
PLACEHOLDER = "{version}"

#: A pattern of a version that is a number, such as 15, 2.x or 16beta1.
VERSION = r"\d+(?:\.(?:\d+|x))*(?:[-.]?(?:alpha|beta|rc|a|b|dev|pre|preview|next)\.?\d*)?"
# A version in the name of a milestone or a label, and what else may stand there. Another word says that it is none:
# "priority: 1", "Windows 10", "Sprint 12".
_IN_NAME = re.compile(rf"(?<![\w.])v?(?P<version>{VERSION})(?!\w|\.\w)", re.I)
_BESIDE = re.compile(
    r"(?:affect(?:s|ed|ing)|backport(?:s|ed)?|branch|broken|confirmed|fix(?:ed|es)?|for|found|from|in|introduced|lts"
    r"|milestone|needs?|next|of|on|pull|regression|release[sd]?|reported|since|stable|target(?:s|ed)?|to|ver|versions?|v)",
    re.I,
)
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?")
# Tags at the beginning of a title, as in "[3.11] Fix the crash".
_TAGS = re.compile(r"\s*(?:\[[^\]\n]{1,40}\]\s*)+")
_SHORTEST_NAME = 3
_UNSTABLE = re.compile(r"alpha|beta|rc|dev|pre|next|main|master|latest|nightly|head|trunk|\d[ab]\d", re.I)


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
    # Folders have the same names in several repositories.
    product = before if "://" in before else source
    return Placed(found[1].removeprefix("v") if found[1][1:2].isdigit() else found[1], product) if found else None


def versions_in(names: Iterable[str | None], repository: str = "") -> list[str]:
    """Return the versions that milestones and labels name: "v1.2", "version: 1.2", "affects/1.2".

    :param repository: OWNER/NAME, whose words may stand beside a version: "Celery 5.3" of celery/celery
    """
    products = [word for word in _words(repository) if len(word) >= _SHORTEST_NAME]
    found = [version for name in names if name for version in _named_in(name, products)]
    return list(dict.fromkeys(version.removesuffix(".x") for version in found))


def title_tags(title: str) -> list[str]:
    """Return the tags in brackets that a title begins with."""
    tags = _TAGS.match(title)
    return re.findall(r"\[([^\]]+)\]", tags[0]) if tags else []


def _named_in(name: str, products: Sequence[str]) -> list[str]:
    if _DATE.fullmatch(name.strip()):
        return []
    beside = _words(_IN_NAME.sub(" ", name))
    is_a_version = all(_BESIDE.fullmatch(word) or word.startswith(tuple(products)) for word in beside)
    return [match["version"] for match in _IN_NAME.finditer(name)] if is_a_version else []


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def newest(versions: Iterable[str]) -> str | None:
    """Return the newest stable version, or the newest if none is stable."""
    return max(versions, key=_age, default=None)


def newest_first(versions: Iterable[str]) -> list[str]:
    """Return versions without repetitions, the newest stable one first."""
    return sorted(set(versions), key=_age, reverse=True)


def is_stable(version: str) -> bool:
    """Return whether a version is neither a preview nor the name of a branch."""
    return not _UNSTABLE.search(version)


def plain(version: str) -> str:
    """Return a version as the index has it: "v2.x" is 2."""
    bare = version.lower()
    bare = bare[1:] if bare[:1] == "v" and bare[1:2].isdigit() else bare
    return re.sub(r"(?:\.x)+$", "", bare)


def covers(one: str, other: str) -> bool:
    """Return whether one version contains another: 15 covers 15.2 and 15beta1, and the manual of 15 is that of 15.2."""
    a, b = (re.fullmatch(r"(\d+(?:\.\d+)*)(.*)", plain(version)) for version in (one, other))
    if a is None or b is None:
        return plain(one) == plain(other)
    numbers = list(zip(a[1].split("."), b[1].split("."), strict=False))
    if any(left != right for left, right in numbers):
        return False
    return a[2] == b[2] or not a[2] or not b[2]


def is_older(one: str, other: str) -> bool:
    """Return whether one version came out before another, as far as their numbers tell."""
    return _order(one)[0] < _order(other)[0] and not covers(one, other)


def _glob(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _age(version: str) -> tuple[bool, tuple[int, ...], str]:
    return is_stable(version), *_order(version)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(part) for part in re.findall(r"\d+", version)), version
