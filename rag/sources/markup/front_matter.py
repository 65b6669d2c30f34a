"""Front matter: metadata before the text of a file, in YAML, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from rag.text.lines import one_line

__all__ = ["FrontMatter", "split"]

# Longer text is not front matter, and could be meant to keep the parser busy.
_MAX_LENGTH = 64_000
_MAX_DEPTH = 50
_FENCED = re.compile(
    r"(---|\+\+\+|;;;)[ \t]*(?:(yaml|toml|json)[ \t]*)?\n(?:(.*?)\n)??(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_YAML_LINE = re.compile(r"^(?:[\w\"'-][^:\n]*:(?:\s|$)|\s|#|-\s|$|[\]}])")
_TITLE = re.compile(r"^[\"']?title[\"']?[ \t]*[:=][ \t]*(.+?)[ \t,]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The metadata of a file; empty where the file gives none."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


def split(source: str) -> tuple[FrontMatter, str]:
    """Return the front matter and the text after it. Front matter that cannot be parsed is skipped.

    :param source: a file's text, its lines ended by LF
    """
    if source.startswith("{"):
        return _json(source)
    match = _FENCED.match(source[: _MAX_LENGTH + 8])
    if not match:
        return FrontMatter(), source
    head = match[3] or ""
    values = _parse(match[2] or {"---": "yaml", "+++": "toml", ";;;": "json"}[match[1]], head)
    if values is None:
        # Prose between two horizontal rules is text; keys with a syntax error are still front matter.
        if match[1] == "---" and not all(_YAML_LINE.match(line) for line in head.split("\n")):
            return FrontMatter(), source
        found = _TITLE.search(head)
        return FrontMatter(found[1].strip("\"'") if found else ""), source[match.end() :]
    return _read(values), source[match.end() :]


def _parse(language: str, head: str) -> Mapping[str, object] | None:
    """Return the keys and values of front matter, None if it is not a mapping."""
    try:
        if language == "toml":
            return tomllib.loads(head)
        if language == "yaml" and _is_deep(head):
            return None
        loaded = json.loads(head, parse_int=str) if language == "json" else yaml.load(head, _LOADER)  # noqa: S506 - safe
    except (ValueError, yaml.YAMLError, RecursionError, TypeError, OverflowError):
        return None
    if loaded is None and not re.search(r"^[ \t]*[^#\s]", head, re.MULTILINE):
        return {}
    return loaded if isinstance(loaded, dict) else None


def _is_deep(head: str) -> bool:
    """Return whether YAML is nested deeper than any front matter is; libyaml's loader would overflow the stack."""
    depth = 0
    for event in yaml.parse(head, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


# Reads every value as text: a number may have thousands of digits, and a version is no number.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
#: What YAML writes for no value, and for values that are no text.
_NO_TEXT = frozenset({"", "~", "null", "true", "false", "yes", "no"})


def _json(source: str) -> tuple[FrontMatter, str]:
    """Read the JSON object at the top of a file, as Hugo does; any other text in braces is content."""
    try:
        values, end = json.JSONDecoder(parse_int=str).raw_decode(source[:_MAX_LENGTH])
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
    """Return a scalar as text; empty for anything else, which may be nested without end."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        text = one_line(value)
    except ValueError:  # a number with more digits than Python writes
        return ""
    return "" if text.lower() in _NO_TEXT else text
