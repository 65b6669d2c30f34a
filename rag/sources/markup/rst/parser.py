"""Parse reStructuredText with docutils, whatever directives and roles it uses.

docutils knows only its own directives and roles; Sphinx, its extensions and each project add more. Here every one is
read by what its name tells about its content: code is kept unchanged, the rest is parsed. None of them reads a file or
runs anything, so `include`, `raw` and `csv-table` with `:file:` are safe.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any

from docutils import frontend, nodes, utils
from docutils.parsers import rst
from docutils.parsers.rst import states
from docutils.statemachine import StringList
from docutils.transforms import references

from rag.sources.markup.rst.directives import directive
from rag.sources.markup.rst.roles import read_role

__all__ = ["TooSlowError", "parse"]

_MAX_SECONDS = 60.0
_OPTION = re.compile(r"^:([^:\\\s][^:\\]*):(?:\s+(.*))?$")


class TooSlowError(Exception):
    """A file takes more than a minute to parse."""


def parse(source: str) -> nodes.document:
    """Return the tree of a reStructuredText file.

    :raises TooSlowError: parsing takes more than a minute
    """
    document = utils.new_document("file", _settings())
    document.reporter.stream = None
    parser = rst.Parser(inliner=_Inliner(time.monotonic() + _MAX_SECONDS))
    parser.state_classes = _STATES
    parser.parse(source, document)
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
