"""Parse reStructuredText with docutils, whatever directives and roles it uses.

docutils knows its own directives and no one else's: Sphinx, its extensions and each project add more. Here every
directive and role is read, by what its name says of its content: code is kept to the letter, the rest is parsed. None
reads a file or runs anything, so `include`, `raw`, `csv-table` with `:file:` and the like are safe.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

from docutils import frontend, nodes, utils
from docutils.parsers import rst
from docutils.parsers.rst import states
from docutils.parsers.rst.directives import misc, tables
from docutils.statemachine import StringList
from docutils.transforms import references

from rag.sources.markup.inline import words

__all__ = ["Code", "Include", "Reference", "Signature", "Titled", "TooSlowError", "parse"]

_MOST_SECONDS = 60.0
_HIDDEN = words(
    "toctree contents raw index meta highlight currentmodule py:currentmodule module py:module default-role role "
    "sectnum target-notes header footer date tabularcolumns sectionauthor codeauthor moduleauthor title testsetup "
    "testcleanup include automodule autosummary autofunction autoclass autodata automethod autoattribute "
    "autoexception autoproperty autoenum automodapi namespace cpp:namespace c:namespace program local tags skip "
    "image-sg bibliography sphinx_gallery minigallery inheritance-diagram include-html youtube vimeo "
    "restructuredtext-test-directive"
)
_CODE = words(
    "code code-block sourcecode codeblock code-cell parsed-literal prompt console doctest testcode testoutput "
    "ipython ipython3 jupyter-execute exec_code command-output program-output productionlist graphviz digraph graph "
    "mermaid uml plantuml plot pyplot aafig aafigure math highlight-block terminal literal pygments try_examples "
    "snippet"
)
_LANGUAGES = {
    "doctest": "pycon", "testcode": "python", "ipython": "ipython", "ipython3": "python", "jupyter-execute": "python",
    "console": "console", "graphviz": "dot", "mermaid": "mermaid", "math": "math", "plot": "python",
    "prompt": "console",
}  # fmt: skip
_ADMONITIONS = words("attention caution danger error hint important note tip warning seealso todo")
_VERSIONS = {
    "versionadded": "Added in version", "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version", "versionremoved": "Removed in version",
    "deprecated-removed": "Deprecated since version",
    "availability": "Availability",
}  # fmt: skip
_TRANSPARENT = words(
    "only ifconfig if container compound hlist acks centered epigraph pull-quote highlights tabs tab-set grid card- "
    "carousel div line-block rst-example html-only glossary impl-detail"
)
_TITLED = words(
    "admonition topic sidebar rubric tab tab-item dropdown details collapse group-tab card grid-item-card grid-item "
    "toggle tab-block content-tabs"
)
_CODE_ROLES = re.compile(
    r"^(?:\w+:)?(?:func|meth|class|mod|attr|data|exc|obj|const|type|macro|member|struct|enum|enumerator|keyword|option|"
    r"envvar|program|file|command|kbd|samp|code|literal|token|module|function|method|attribute|py|js|c|cpp|expr|var|cls|"
    r"ref-attr|setting|djadmin|ttag|tfilter|lookup|mailheader|mimetype|makevar|dir|directive|role|regexp|signal|pyobject|"
    r"confval|event|rst|opcode|2to3fixer|cmdoption|monospace|tt|console|bash|shell|python)$"
)
# `class` is Python's in Sphinx, and names a style in docutils.
_STYLES = re.compile(r"^[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*$")
# What Sphinx shows of the options of something that is documented.
_TOLD = ("type", "default", "value")
_LINK_ROLES = frozenset({"doc", "ref", "numref", "any", "download", "std:doc", "std:ref", "external"})
_EXPLICIT = re.compile(r"^(.+?)\s*(?<!\x00)<([^<>]*)>$", re.DOTALL)
_OPTION = re.compile(r"^:([^:\\\s][^:\\]*):(?:\s+(.*))?$")


class TooSlowError(Exception):
    """A file takes longer to parse than any should."""


class Code(nodes.literal_block):  # type: ignore[misc]
    """A block of code, with its `language` and `caption`."""


class Titled(nodes.Element):  # type: ignore[misc]
    """Blocks under a bold `label`: an admonition, a tab, a card."""


class Signature(nodes.Element):  # type: ignore[misc]
    """Blocks under the signatures of what they document; `signatures` are code."""


class Include(nodes.Element):  # type: ignore[misc]
    """Code in another file: `target` is its path, `options` say which lines of it."""


class Reference(nodes.TextElement):  # type: ignore[misc]
    """A link that only Sphinx can resolve: its `kind` is doc, ref or download, its `target` what is named."""


def parse(source: str) -> nodes.document:
    """Return the tree of a reStructuredText file.

    :raises TooSlowError: it takes more than a minute
    """
    document = utils.new_document("file", _settings())
    document.reporter.stream = None
    parser = rst.Parser(inliner=_Inliner(time.monotonic() + _MOST_SECONDS))
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
    """Reads any role."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def parse(self, text: str, lineno: int, memo: Any, parent: Any) -> Any:  # noqa: ANN401 - docutils' own
        if time.monotonic() > self._deadline:
            raise TooSlowError(f"it takes more than {_MOST_SECONDS:g} seconds to parse")
        return super().parse(text, lineno, memo, parent)

    def interpreted(
        self, rawsource: str, text: str, role: str, lineno: int
    ) -> tuple[list[nodes.Node], list[nodes.Node]]:
        del lineno
        return [_role(role.lower().lstrip(":"), text, rawsource)], []


# docutils builds its patterns from what stands in the class itself.
for _name, _pattern in vars(states.Inliner).items():
    if isinstance(_pattern, str) and not _name.startswith("__"):
        setattr(_Inliner, _name, _pattern)


def _role(role: str, text: str, rawsource: str) -> nodes.Node:
    explicit = _EXPLICIT.match(text)
    shown, target = (explicit[1], explicit[2]) if explicit else (text, text)
    plain = utils.unescape(shown).strip()
    named = utils.unescape(target).strip()
    if role in _LINK_ROLES:
        kind = role.rpartition(":")[2]
        return Reference(rawsource, plain, kind=kind, target=named.lstrip("!~"), titled=bool(explicit))
    if role == "pep" and named.split("#")[0].isdecimal():
        address = f"https://peps.python.org/pep-{int(named.split('#')[0]):04d}/"
        return nodes.reference(rawsource, plain if explicit else f"PEP {named}", refuri=address)
    if role == "rfc" and named.split("#")[0].isdecimal():
        address = f"https://datatracker.ietf.org/doc/html/rfc{named}"
        return nodes.reference(rawsource, plain if explicit else f"RFC {named}", refuri=address)
    if role in ("emphasis", "strong"):
        return (nodes.emphasis if role == "emphasis" else nodes.strong)(rawsource, plain)
    if role in ("math", "eq"):
        return nodes.literal(rawsource, utils.unescape(text, True))
    if role in (
        "abbr",
        "abbreviation",
        "menuselection",
        "guilabel",
        "term",
        "sub",
        "sup",
        "subscript",
        "superscript",
        "dfn",
    ):
        return nodes.inline(rawsource, utils.unescape(text) if role.startswith("abbr") else plain.replace("-->", "›"))
    if _CODE_ROLES.match(role):
        if plain.startswith("~"):
            plain = re.split(r"[.]", plain)[-1] if not explicit else plain[1:]
        ends = "()" if role.rpartition(":")[2] in ("func", "meth") and not explicit and not plain.endswith(")") else ""
        code = utils.unescape(shown, True) if role in ("samp", "code", "literal", "file", "kbd") else plain.lstrip("!")
        return nodes.literal(rawsource, f"{code}{ends}")
    return nodes.inline(rawsource, plain.lstrip("!~") if not explicit else plain)


class _Tolerant:
    """A state that reads any directive."""

    nested_sm_kwargs: dict[str, Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - docutils' own
        super().__init__(*arguments, **named)
        self.nested_sm_kwargs = {**self.nested_sm_kwargs, "state_classes": _STATES}

    def explicit_construct(self, match: re.Match[str]) -> Any:  # noqa: ANN401 - docutils' own
        # docutils holds on to its own methods by their functions, so that they cannot be overridden.
        for method, pattern in self.explicit.constructs:  # type: ignore[attr-defined]
            if found := pattern.match(match.string):
                try:
                    return getattr(self, method.__name__)(found)
                except states.MarkupError as error:
                    message = self.reporter.warning(str(error))  # type: ignore[attr-defined]
                    nodes_, blank_finish = self.comment(match)  # type: ignore[attr-defined]
                    return [*nodes_, message], blank_finish
        return self.comment(match)  # type: ignore[attr-defined]

    def directive(self, match: re.Match[str], **presets: Any) -> Any:  # noqa: ANN401 - docutils' own
        name = match[1].lower()
        return self.run_directive(_directive(name), match, name, presets)  # type: ignore[attr-defined]

    def parse_directive_options(
        self, presets: dict[str, Any], spec: object, block: StringList
    ) -> tuple[dict[str, Any], StringList]:
        """Read `:name: value` as they are; what a value may be is nothing to us."""
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


class _Directive(rst.Directive):  # type: ignore[misc]
    """What any directive may have: an argument of any length, options, content."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"any": str}

    def _content(self) -> list[nodes.Node]:
        return self._parsed(self.content, self.content_offset)

    def _parsed(self, lines: StringList, offset: int) -> list[nodes.Node]:
        element = nodes.Element()
        self.state.nested_parse(lines, offset, element, match_titles=True)
        return list(element.children)

    def _text(self, text: str) -> list[nodes.Node]:
        found, _ = self.state.inline_text(text, self.lineno)
        return list(found)

    @property
    def _argument(self) -> str:
        return self.arguments[0] if self.arguments else ""


class _Included(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return code that stands in another file; whoever writes it finds it, or not."""
        options = {name: str(value) for name, value in self.options.items()}
        return [Include("", target=self._argument.strip(), options=options)] if self._argument else []


class _HiddenDirective(_Directive):
    def run(self) -> list[nodes.Node]:
        """Leave out what no reader sees."""
        if self.name.startswith("auto") and self._argument:
            return [Signature("", signatures=[self._argument.strip()])]
        return []


class _Admonition(_Directive):
    """A note: its content may begin on its first line."""

    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        """Put the kind before the content."""
        label = "See also" if self.name == "seealso" else self.name.capitalize()
        return [Titled("", *self._content(), label=[nodes.Text(f"{label}:")])]


class _Version(_Directive):
    """A version, and what is different since."""

    def run(self) -> list[nodes.Node]:
        """Put the version before what is said of it."""
        version, _, rest = self._argument.partition("\n")
        number, _, said = version.partition(" ")
        if self.name == "availability":
            number, said = "", version
        label = " ".join(part for part in (_VERSIONS[self.name], number) if part)
        text = f"{said} {rest}".strip()
        paragraph = [nodes.paragraph(text, "", *self._text(text))] if text else []
        return [Titled("", *paragraph, *self._content(), label=[nodes.Text(f"{label}:")])]


class _Code(_Directive):
    """Code, to the letter."""

    def run(self) -> list[nodes.Node]:
        """Return the code; that there is no blank line before it is a common slip."""
        first, _, rest = self._argument.partition("\n")
        lines = list(self.content)
        opening = self.block_text.partition("\n")[0].rstrip()
        if opening.endswith("::") or self.name in (
            "math",
            "productionlist",
            "prompt",
            "graphviz",
            "plot",
            "parsed-literal",
        ):
            lines = [*self._argument.split("\n"), *([""] if self._argument and lines else []), *lines]
            first = rest = ""
        if rest:
            lines = [*rest.split("\n"), "", *lines]
        language = first.split()[0] if first.split() else _LANGUAGES.get(self.name, "")
        code = "\n".join(lines).strip("\n")
        if not code.strip():
            return []
        caption = str(self.options.get("caption") or "")
        return [Code("", code, language=language.strip("{}"), caption=caption)]


class _ParsedLiteral(_Directive):
    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        """Return the text without the marks in it."""
        text = "\n".join(self.content)
        found = "".join(node.astext() for node in self._text(text))
        return [Code("", found, language="", caption="")] if found.strip() else []


class _Transparent(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return the content."""
        if self.name in ("centered", "tabs", "epigraph", "pull-quote", "highlights") and self._argument:
            text = self._argument
            return [nodes.paragraph(text, "", *self._text(text)), *self._content()]
        if self.name == "glossary":
            return self._parsed(StringList(list(_terms(list(self.content))), "glossary"), self.content_offset)
        return self._content()


def _terms(lines: list[str]) -> Iterator[str]:
    """Yield a glossary's lines, several terms of one definition on one line."""
    held: list[str] = []
    for line in lines:
        if line.startswith(".. "):
            continue
        if line.strip() and not line[0].isspace():
            held.append(line.strip())
            continue
        if held and line.strip():
            yield ", ".join(held)
            held = []
        if not held:
            yield line
    if held:
        yield ", ".join(held)


class _TitledDirective(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return the content under its title."""
        title = " ".join(self._argument.split())
        return [Titled("", *self._content(), label=self._text(title))]


class _CodeTab(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return code under the label of its tab."""
        language, _, label = self._argument.partition(" ")
        return [Code("", "\n".join(self.content), language=language.lower(), caption=label.strip() or language)]


class _Object(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return a description under its signatures, one a line of the argument."""
        if self.name.endswith("class") and _STYLES.match(self._argument):
            return self._content()
        signatures = [line.strip().rstrip("\\").strip() for line in self._argument.split("\n")]
        said = [f"{name.capitalize()}: {self.options[name]}" for name in _TOLD if self.options.get(name)]
        told = [nodes.paragraph("", "", *self._text(", ".join(said)))] if said else []
        return [Signature("", *told, *self._content(), signatures=[line for line in signatures if line])]


class _Image(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return an image, and what is said of it."""
        address = "".join(self._argument.split())
        image = nodes.image("", uri=address, alt=str(self.options.get("alt", "")))
        return [nodes.paragraph("", "", image), *self._content()] if self._is_block else [image]

    @property
    def _is_block(self) -> bool:
        return not isinstance(self.state, states.SubstitutionDef)


class _ListTable(tables.ListTable):  # type: ignore[misc]
    def run(self) -> list[nodes.Node]:
        """Return the table, or whatever it is instead."""
        self.options: dict[str, Any] = _numbered(self.options)
        found = super().run()
        return found if any(isinstance(node, nodes.table) for node in found) else _plain(self)


class _Table(tables.RSTTable):  # type: ignore[misc]
    def run(self) -> list[nodes.Node]:
        """Return the table, or whatever it is instead."""
        self.options: dict[str, Any] = _numbered(self.options)
        found = super().run()
        return found if any(isinstance(node, nodes.table) for node in found) else _plain(self)


class _CsvTable(_Directive):
    def run(self) -> list[nodes.Node]:
        """Read rows from the content, and never from a file."""
        delimiter = {"tab": "\t", "space": " "}.get(
            str(self.options.get("delim", "")), self.options.get("delim") or ","
        )
        head = str(self.options.get("header", ""))
        rows = [*([head] if head else []), *self.content]
        try:
            cells = list(csv.reader(rows, delimiter=delimiter, skipinitialspace=True))
        except (csv.Error, TypeError):
            return [Code("", "\n".join(self.content), language="", caption=self._argument)]
        heads = int(bool(head)) + _numbered(self.options).get("header-rows", 0)
        return [_table(self, cells, heads)] if cells else []


def _table(directive: _Directive, rows: list[list[str]], heads: int) -> nodes.table:
    group = nodes.tgroup("", cols=max(len(row) for row in rows))
    head, body = nodes.thead(), nodes.tbody()
    for position, row in enumerate(rows):
        made = nodes.row()
        for cell in row:
            made += nodes.entry("", *directive._parsed(StringList(cell.split("\n"), "cell"), directive.content_offset))
        (head if position < heads else body).append(made)
    group += [part for part in (head, body) if part.children]
    return nodes.table(
        "", *([nodes.title(directive._argument, directive._argument)] if directive._argument else []), group
    )


def _numbered(options: dict[str, Any]) -> dict[str, Any]:
    """Keep of a table's options those that say how many rows and columns are headings."""
    counts = {name: options.get(name, "") for name in ("header-rows", "stub-columns")}
    return {name: int(count) for name, count in counts.items() if str(count).isdecimal()}


def _plain(directive: rst.Directive) -> list[nodes.Node]:
    element = nodes.Element()
    directive.state.nested_parse(directive.content, directive.content_offset, element)
    return list(element.children)


@lru_cache(1000)
def _directive(name: str) -> type[rst.Directive]:
    """Return how a directive of this name is read."""
    bare = name.rpartition(":")[2] if name.startswith("py:") else name
    if bare in _HIDDEN or bare.startswith("auto"):
        return _HiddenDirective
    if bare in _ADMONITIONS:
        return _Admonition
    if bare in _VERSIONS:
        return _Version
    if bare == "parsed-literal":
        return _ParsedLiteral
    if bare in _CODE:
        return _Code
    if bare == "literalinclude":
        return _Included
    if bare in ("code-tab", "group-code-tab"):
        return _CodeTab
    if bare in _TRANSPARENT:
        return _Transparent
    if bare in _TITLED:
        return _TitledDirective
    if bare in ("image", "figure", "video", "thumbnail"):
        return _Image
    known: dict[str, type[rst.Directive]] = {
        "table": _Table,
        "list-table": _ListTable,
        "csv-table": _CsvTable,
        "replace": misc.Replace,
        "unicode": misc.Unicode,
    }
    return known.get(bare, _Object)
