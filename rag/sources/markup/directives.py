"""Directives in Markdown: MyST's in fences and colons, VitePress's and Docusaurus's containers, PyMdown's blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.sources.names import names
from rag.text.lines import one_line

__all__ = ["Directive", "is_code", "is_hidden", "label_of", "read_options", "target_of"]

_CODE = names(
    "code code-block code-cell sourcecode literalinclude parsed-literal math mermaid graphviz digraph plantuml doctest "
    "testcode prompt productionlist eval-rst raw-code terminal jupyter-execute"
)
_LANGUAGES = {"math": "math", "mermaid": "mermaid", "graphviz": "dot", "doctest": "pycon", "eval-rst": "rst",
              "code-cell": "python", "testcode": "python", "prompt": "console"}  # fmt: skip
_HIDDEN = names(
    "toctree contents tableofcontents index currentmodule module py:module highlight bibliography raw meta comment "
    "only-print autosummary inheritance-diagram iframe role"
)
_PLAIN = names(
    "tab-set tabs grid container div only epigraph pull-quote hlist glossary compound centered figure-md card-carousel "
    "code-group tab-group table-wrapper v-pre raw-html cards steps margin include-html list-table include eval"
)
_ADMONITIONS = names(
    "note tip info warning caution danger important check hint example question success error attention abstract bug "
    "quote seealso todo warn alert"
)
_VERSIONS = {"versionadded": "Added in version", "versionchanged": "Changed in version",
             "deprecated": "Deprecated since version", "versionremoved": "Removed in version"}  # fmt: skip
_IMAGES = frozenset({"image", "figure"})
#: The argument is code, not a title: `{py:function} name(argument)`.
_OBJECT = re.compile(
    r"^(?:\w+:)?(?:function|method|class|data|attribute|exception|option|envvar|confval|type|macro|module)$"
)
_OPTION = re.compile(r"^[ \t]*:([\w-]+):[ \t]*(.*)$")


@dataclass(frozen=True, slots=True)
class Directive:
    """The opening of a directive: its name in lower case, its argument, and its options."""

    name: str
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)


def is_code(name: str) -> bool:
    """Return whether the content of a directive is code."""
    return name in _CODE


def is_hidden(name: str) -> bool:
    """Return whether readers see nothing of a directive."""
    return name in _HIDDEN


def read_options(lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the options at the beginning of a directive's content, and how many lines they take."""
    options: dict[str, str] = {}
    if lines and lines[0].strip() == "---":
        end = next((at for at in range(1, min(len(lines), 50)) if lines[at].strip() == "---"), 0)
        for line in lines[1:end]:
            name, colon, value = line.partition(":")
            if colon:
                options[name.strip().lower()] = value.strip().strip("\"'")
        return options, end + 1 if end else 0
    at = 0
    while at < len(lines) and (match := _OPTION.match(lines[at])):
        options[match[1].lower()] = match[2].strip()
        at += 1
    return options, at


def language_of(directive: Directive) -> str:
    """Return the language of a directive of code."""
    name, argument = directive.name, directive.argument.split()
    if name in ("math", "mermaid", "graphviz", "literalinclude", "eval-rst") or not argument:
        return directive.options.get("language") or _LANGUAGES.get(name, "")
    return "python" if argument[0].startswith("ipython") else argument[0].strip("{}")


def target_of(directive: Directive) -> str:
    """Return the path of the file whose code a directive shows; empty if the code is its content."""
    return directive.argument.strip() if directive.name == "literalinclude" else ""


def label_of(directive: Directive) -> list[str]:
    """Return the lines that stand above the content of a directive: its title, an image, nothing."""
    name, argument = directive.name, one_line(directive.argument)
    if name in _IMAGES:
        alt = directive.options.get("alt") or directive.options.get("caption") or ""
        return [f"![{alt}]({argument})", ""] if argument else []
    if name in _ADMONITIONS:
        shown = "See also" if name == "seealso" else name.capitalize()
        return [f"**{shown}:**", *([argument] if argument else [])]
    if name in _VERSIONS:
        version, _, rest = argument.partition(" ")
        return [f"**{_VERSIONS[name]} {version}:**".replace(" :", ":"), *([rest] if rest else [])]
    if name == "include":
        return [f"[{argument.rpartition('/')[2]}]({argument})", ""] if argument else []
    if name in _PLAIN:
        return [f"**{argument}**", ""] if argument and name in ("list-table", "tabs-title") else []
    if _OBJECT.match(name) and argument:
        return [f"`{argument}`"]
    if name == "admonition":
        return [f"**{argument or 'Note'}:**"]
    return [f"**{argument}**", ""] if argument else []
