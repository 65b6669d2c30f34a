"""Parse reStructuredText with docutils, whatever directives and roles it uses.

docutils knows only its own directives and roles; Sphinx, its extensions and each project add more. Here every one is
read by what its name tells about its content: code is kept unchanged, the rest is parsed. None of them reads a file or
runs anything, so `raw` and `csv-table` with `:file:` are safe; `include` gets files of the repository from its caller.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import lru_cache
from typing import Any

from docutils import frontend, nodes, utils
from docutils.parsers import rst
from docutils.parsers.rst import states
from docutils.statemachine import StringList
from docutils.transforms import references

from rag.sources.markup.includes import Included
from rag.sources.markup.rst.directives import directive
from rag.sources.markup.rst.roles import read_role

__all__ = ["TooSlowError", "parse"]

_MAX_SECONDS = 60.0
#: The most characters that a file may include, and the most files.
_MAX_INCLUDED = 1_000_000
_MAX_INCLUDES = 100
#: How often a file may include the same file, or itself.
_MAX_REPEATS = 8
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*$")
#: docutils takes a shorter line below a longer one for text.
_SURE = 4
_OPTION = re.compile(r"^:([^:\\\s][^:\\]*):(?:\s+(.*))?$")


class TooSlowError(Exception):
    """A file takes more than a minute to parse."""


def parse(source: str, included: Included = lambda _: None) -> nodes.document:
    """Return the tree of a reStructuredText file.

    :param included: returns the text of a file that the file includes, or None if there is none
    :raises TooSlowError: parsing takes more than a minute
    """
    document = utils.new_document("file", _settings())
    document.reporter.stream = None
    document.settings.included = _within_limits(included)
    parser = rst.Parser(inliner=_Inliner(time.monotonic() + _MAX_SECONDS))
    parser.state_classes = _STATES
    parser.parse(with_long_underlines(source), document)
    document.transformer.add_transforms(
        [
            references.Substitutions,
            references.PropagateTargets,
            references.AnonymousHyperlinks,
            references.IndirectHyperlinks,
            references.Footnotes,
            references.ExternalTargets,
            references.InternalTargets,
        ]
    )
    document.transformer.apply_transforms()
    return document


def _within_limits(included: Included) -> Included:
    """Return a function that includes files until they are too many or too large; files may include each other."""
    left = _MAX_INCLUDED
    counts: Counter[str] = Counter()

    def within_limits(target: str) -> str | None:
        nonlocal left
        counts[target] += 1
        text = included(target) if left > 0 and counts[target] <= _MAX_REPEATS else None
        left -= _MAX_INCLUDED // _MAX_INCLUDES + len(text or "")
        return text

    return within_limits


def with_long_underlines(source: str) -> str:
    """Return a file whose titles have lines as long as they are, as docutils wants them.

    A line of three signs is taken for an underline only if it stands alone below one line.
    """
    lines = source.split("\n")
    for at in range(1, len(lines)):
        match = _ADORNMENT.match(lines[at])
        title = lines[at - 1].rstrip()
        if match is None or not title or title[0].isspace() or _ADORNMENT.match(title):
            continue
        above = lines[at - 2].rstrip() if at > 1 else ""
        is_overlined = bool(_ADORNMENT.match(above)) and above[0] == match[1]
        width = utils.column_width(title)
        if len(match[0].rstrip()) >= width or (above and not is_overlined):
            continue
        if len(match[0].rstrip()) < _SURE and not (match[1] in "=-~^" and is_overlined | _is_alone(lines, at)):
            continue
        lines[at] = match[1] * width
        if is_overlined:
            lines[at - 2] = match[1] * width
    return "\n".join(lines)


def _is_alone(lines: list[str], at: int) -> bool:
    """Return whether a blank line follows an underline."""
    return at + 1 == len(lines) or not lines[at + 1].strip()


@lru_cache(1)
def _defaults() -> Any:  # noqa: ANN401 - docutils' own
    return frontend.get_default_settings(rst.Parser)


def _settings() -> Any:  # noqa: ANN401 - docutils' own
    settings = _defaults().copy()
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.report_level = settings.halt_level = 5
    settings.warning_stream = False
    settings.line_length_limit = 10_000_000
    settings.syntax_highlight = "none"
    settings.smart_quotes = False
    return settings


class _Inliner(states.Inliner):  # type: ignore[misc]
    """Reads any role, until a deadline."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def parse(self, text: str, lineno: int, memo: Any, parent: Any) -> Any:  # noqa: ANN401 - docutils' own
        if time.monotonic() > self._deadline:
            raise TooSlowError(f"it takes more than {_MAX_SECONDS:g} seconds to parse")
        return super().parse(text, lineno, memo, parent)

    def interpreted(
        self, rawsource: str, text: str, role: str, lineno: int
    ) -> tuple[list[nodes.Node], list[nodes.Node]]:
        del lineno
        return [read_role(role.lower().lstrip(":"), text, rawsource)], []


# docutils builds its patterns from the attributes of the class itself, not of its bases.
for _name, _pattern in vars(states.Inliner).items():
    if isinstance(_pattern, str) and not _name.startswith("__"):
        setattr(_Inliner, _name, _pattern)


class _Tolerant:
    """A state that reads any directive."""

    nested_sm_kwargs: dict[str, Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - docutils' own
        super().__init__(*arguments, **named)
        self.nested_sm_kwargs = {**self.nested_sm_kwargs, "state_classes": _STATES}

    def explicit_construct(self, match: re.Match[str]) -> Any:  # noqa: ANN401 - docutils' own
        # docutils keeps its methods as functions in a table, so that overriding them has no effect: look them up here.
        for method, pattern in self.explicit.constructs:  # type: ignore[attr-defined]
            if found := pattern.match(match.string):
                try:
                    return getattr(self, method.__name__)(found)
                except states.MarkupError as error:
                    message = self.reporter.warning(str(error))  # type: ignore[attr-defined]
                    comment, blank_finish = self.comment(match)  # type: ignore[attr-defined]
                    return [*comment, message], blank_finish
        return self.comment(match)  # type: ignore[attr-defined]

    def directive(self, match: re.Match[str], **presets: Any) -> Any:  # noqa: ANN401 - docutils' own
        name = match[1].lower()
        return self.run_directive(directive(name), match, name, presets)  # type: ignore[attr-defined]

    def parse_directive_options(
        self, presets: dict[str, Any], spec: object, block: StringList
    ) -> tuple[dict[str, Any], StringList]:
        """Read options `:name: value` as text, whatever values a directive allows."""
        del spec
        options = dict(presets)
        start = next((at for at, line in enumerate(block) if _OPTION.match(line.strip())), len(block))
        name = ""
        for line in block[start:]:
            if match := _OPTION.match(line.strip()):
                name = match[1].strip().lower()
                options[name] = (match[2] or "").strip()
            elif name:
                options[name] = f"{options[name]} {line.strip()}".strip()
        return options, block[:start]


_STATES = tuple(type(state.__name__, (_Tolerant, state), {}) for state in states.state_classes)
