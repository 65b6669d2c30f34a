"""Front matter: what a file says of itself before its text, in YAML, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

__all__ = ["FrontMatter", "split"]

# More than this is no front matter, and may be meant to keep the parser busy.
_LONGEST = 64_000
_FENCED = re.compile(
    r"(---|\+\+\+|;;;)[ \t]*(?:(yaml|toml|json)[ \t]*)?\n(?:(.*?)\n)??(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_YAML_LINE = re.compile(r"^(?:[\w\"'-][^:\n]*:(?:\s|$)|\s|#|-\s|$|[\]}])")
_TITLE = re.compile(r"^[\"']?title[\"']?[ \t]*[:=][ \t]*(.+?)[ \t,]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What a file says of itself; empty where it says nothing."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


def split(source: str) -> tuple[FrontMatter, str]:
    """Return the front matter and the text after it. One that cannot be parsed costs no more than its own lines.

    :param source: a file's text, its lines ended by LF
    """
    if source.startswith("{"):
        return _json(source)
    match = _FENCED.match(source[: _LONGEST + 8])
    if not match:
        return FrontMatter(), source
    head = match[3] or ""
    values = _parse(match[2] or {"---": "yaml", "+++": "toml", ";;;": "json"}[match[1]], head)
    if values is None:
        # Two rules with prose between them are no front matter, a slip in a table of keys is still one.
        if match[1] == "---" and not all(_YAML_LINE.match(line) for line in head.split("\n")):
            return FrontMatter(), source
        found = _TITLE.search(head)
        return FrontMatter(found[1].strip("\"'") if found else ""), source[match.end() :]
    return _read(values), source[match.end() :]


def _parse(language: str, head: str) -> Mapping[str, object] | None:
    """Return what the front matter holds, or None if it is no table of keys."""
    try:
        if language == "toml":
            return tomllib.loads(head)
        loaded = json.loads(head) if language == "json" else yaml.load(head, Loader=_LOADER)  # noqa: S506 - a safe one
    except (ValueError, yaml.YAMLError, RecursionError, TypeError, OverflowError):
        return None
    if loaded is None and not re.search(r"^\s*[^#\s]", head, re.MULTILINE):
        return {}
    return loaded if isinstance(loaded, dict) else None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _json(source: str) -> tuple[FrontMatter, str]:
    """Hugo takes an object at the top; what else begins with a brace is text."""
    try:
        values, end = json.JSONDecoder().raw_decode(source[:_LONGEST])
    except (ValueError, RecursionError):
        return FrontMatter(), source
    after = source[end:].lstrip(" \t")
    if not isinstance(values, dict) or not (after == "" or after.startswith("\n")):
        return FrontMatter(), source
    return _read(values), after


def _read(values: Mapping[str, object]) -> FrontMatter:
    description = _text(values.get("description")) or _text(values.get("summary"))
    listed = values.get("tags") or values.get("keywords") or ()
    tags = listed.split(",") if isinstance(listed, str) else listed if isinstance(listed, list) else ()
    shown = dict.fromkeys(tag for value in tags if (tag := _text(value)))
    return FrontMatter(_text(values.get("title")), description, tuple(shown))


def _text(value: object) -> str:
    """Return a scalar as text; anything else may be nested without an end."""
    return " ".join(str(value).split()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
