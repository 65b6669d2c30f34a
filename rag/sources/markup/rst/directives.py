"""Directives of docutils, Sphinx and its extensions as nodes, chosen by the name of the directive alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers import rst
from docutils.parsers.rst import states
from docutils.parsers.rst.directives import misc, tables
from docutils.statemachine import StringList

from rag.sources.markup.rst.literalinclude import select_lines
from rag.sources.markup.rst.nodes import Code, Include, Signature, Titled
from rag.sources.names import names
from rag.text.lines import one_line

__all__ = ["directive"]

_HIDDEN = names(
    "toctree contents raw index meta highlight currentmodule py:currentmodule module py:module default-role role "
    "sectnum target-notes header footer date tabularcolumns sectionauthor codeauthor moduleauthor title testsetup "
    "testcleanup automodule autosummary autofunction autoclass autodata automethod autoattribute "
    "autoexception autoproperty autoenum automodapi namespace cpp:namespace c:namespace program local tags skip "
    "image-sg bibliography sphinx_gallery minigallery inheritance-diagram include-html youtube vimeo "
    "restructuredtext-test-directive"
)
_CODE = names(
    "code code-block sourcecode codeblock code-cell parsed-literal prompt console doctest testcode testoutput ipython "
    "ipython3 jupyter-execute exec_code command-output program-output productionlist graphviz digraph graph mermaid "
    "uml plantuml plot pyplot aafig aafigure math highlight-block terminal literal pygments try_examples snippet"
)
_LANGUAGES = {
    "doctest": "pycon", "testcode": "python", "ipython": "ipython", "ipython3": "python", "jupyter-execute": "python",
    "console": "console", "graphviz": "dot", "mermaid": "mermaid", "math": "math", "plot": "python",
    "prompt": "console",
}  # fmt: skip
#: Directives whose argument is code, not the name of a language.
_CODE_ARGUMENTS = frozenset({"math", "productionlist", "prompt", "graphviz", "plot", "parsed-literal"})
#: The suffixes of files that are included as reStructuredText.
_MARKUP = frozenset({".rst", ".rest", ".txt", ".inc", ""})
_ADMONITIONS = names("attention caution danger error hint important note tip warning seealso todo")
_VERSIONS = {
    "versionadded": "Added in version", "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version", "versionremoved": "Removed in version",
    "deprecated-removed": "Deprecated since version",
    "availability": "Availability",
}  # fmt: skip
_TRANSPARENT = names(
    "only ifconfig if container compound hlist acks centered epigraph pull-quote highlights tabs tab-set grid card- "
    "carousel div line-block rst-example html-only glossary impl-detail"
)
_TITLED = names(
    "admonition topic sidebar rubric tab tab-item dropdown details collapse group-tab card grid-item-card grid-item "
    "toggle tab-block content-tabs"
)
# The directive `class` describes a Python class in Sphinx; in docutils it names styles, which have this form.
_STYLES = re.compile(r"^[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*$")
# The options of an object description that Sphinx shows.
_SHOWN_OPTIONS = ("type", "default", "value")


class _Directive(rst.Directive):  # type: ignore[misc]
    """Accepts an argument of any length, any options, and content."""

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


class _IncludeDirective(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return a reference to code in another file; the writer resolves it."""
        options = {name: str(value) for name, value in self.options.items()}
        return [Include("", target=self._argument.strip(), options=options)] if self._argument else []


class _TextInclude(_Directive):
    def run(self) -> list[nodes.Node]:
        """Read another file here, or return a reference to it if it is code, Markdown, or not to be had."""
        options = {name: str(value) for name, value in self.options.items()}
        target = self._argument.strip()
        if "code" in options or "literal" in options:
            return [Include("", target=target, options={"language": options.get("code", ""), **options})]
        suffix = PurePosixPath(target).suffix.lower()
        text = self.state.document.settings.included(target) if suffix in _MARKUP and "parser" not in options else None
        if text is None:
            return [Include("", target=target, options={"text": "yes"})] if target else []
        lines = select_lines(text.split("\n"), options)
        self.state_machine.insert_input(StringList(lines, target), target)
        return []


class _HiddenDirective(_Directive):
    def run(self) -> list[nodes.Node]:
        """Leave out a directive that readers do not see; of autodoc's, keep the signature."""
        if self.name.startswith("auto") and self._argument:
            return [Signature("", signatures=[self._argument.strip()])]
        return []


class _Admonition(_Directive):
    """A note; its content may begin on the line of the directive."""

    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        """Return the content under the kind of the note."""
        label = "See also" if self.name == "seealso" else self.name.capitalize()
        return [Titled("", *self._content(), label=[nodes.Text(f"{label}:")])]


class _Version(_Directive):
    """A change since a version."""

    def run(self) -> list[nodes.Node]:
        """Return the description under the version."""
        first_line, _, rest = self._argument.partition("\n")
        version, _, description = first_line.partition(" ")
        if self.name == "availability":
            version, description = "", first_line
        label = " ".join(part for part in (_VERSIONS[self.name], version) if part)
        text = f"{description} {rest}".strip()
        paragraph = [nodes.paragraph(text, "", *self._text(text))] if text else []
        return [Titled("", *paragraph, *self._content(), label=[nodes.Text(f"{label}:")])]


class _CodeDirective(_Directive):
    """Code, kept unchanged."""

    def run(self) -> list[nodes.Node]:
        """Return the code, which authors often write without the blank line before it."""
        first, _, rest = self._argument.partition("\n")
        lines = list(self.content)
        opening = self.block_text.partition("\n")[0].rstrip()
        if opening.endswith("::") or self.name in _CODE_ARGUMENTS:
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
        """Return the text without its inline markup."""
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
    """Yield the lines of a glossary, with the terms of one definition joined on one line."""
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
        title = one_line(self._argument)
        return [Titled("", *self._content(), label=self._text(title))]


class _CodeTab(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return code under the label of its tab."""
        language, _, label = self._argument.partition(" ")
        return [Code("", "\n".join(self.content), language=language.lower(), caption=label.strip() or language)]


class _Object(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return the description of an object under its signatures, one for each line of the argument."""
        if self.name.endswith("class") and _STYLES.match(self._argument):
            return self._content()
        signatures = [line.strip().rstrip("\\").strip() for line in self._argument.split("\n")]
        shown = [f"{name.capitalize()}: {self.options[name]}" for name in _SHOWN_OPTIONS if self.options.get(name)]
        options = [nodes.paragraph("", "", *self._text(", ".join(shown)))] if shown else []
        return [Signature("", *options, *self._content(), signatures=[line for line in signatures if line])]


class _Image(_Directive):
    def run(self) -> list[nodes.Node]:
        """Return an image and its description."""
        address = "".join(self._argument.split())
        image = nodes.image("", uri=address, alt=str(self.options.get("alt", "")))
        return [nodes.paragraph("", "", image), *self._content()] if self._is_block else [image]

    @property
    def _is_block(self) -> bool:
        return not isinstance(self.state, states.SubstitutionDef)


class _ListTable(tables.ListTable):  # type: ignore[misc]
    def run(self) -> list[nodes.Node]:
        """Return the table, or the parsed content where it is not a table."""
        self.options: dict[str, Any] = _heading_counts(self.options)
        found = super().run()
        return found if any(isinstance(node, nodes.table) for node in found) else _parsed_content(self)


class _Table(tables.RSTTable):  # type: ignore[misc]
    def run(self) -> list[nodes.Node]:
        """Return the table, or the parsed content where it is not a table."""
        self.options: dict[str, Any] = _heading_counts(self.options)
        found = super().run()
        return found if any(isinstance(node, nodes.table) for node in found) else _parsed_content(self)


class _CsvTable(_Directive):
    def run(self) -> list[nodes.Node]:
        """Read rows from the content, never from a file."""
        delimiter = {"tab": "\t", "space": " "}.get(
            str(self.options.get("delim", "")), self.options.get("delim") or ","
        )
        head = str(self.options.get("header", ""))
        rows = [*([head] if head else []), *self.content]
        try:
            cells = list(csv.reader(rows, delimiter=delimiter, skipinitialspace=True))
        except (csv.Error, TypeError):
            return [Code("", "\n".join(self.content), language="", caption=self._argument)]
        heads = int(bool(head)) + _heading_counts(self.options).get("header-rows", 0)
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


def _heading_counts(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a table that set how many rows and columns are headings."""
    counts = {name: options.get(name, "") for name in ("header-rows", "stub-columns")}
    return {name: int(count) for name, count in counts.items() if str(count).isdecimal()}


def _parsed_content(directive: rst.Directive) -> list[nodes.Node]:
    element = nodes.Element()
    directive.state.nested_parse(directive.content, directive.content_offset, element)
    return list(element.children)


@lru_cache(1000)
def directive(name: str) -> type[rst.Directive]:
    """Return the class that reads the directives of a name, lower case."""
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
        return _CodeDirective
    if bare in ("literalinclude", "include"):
        return _IncludeDirective if bare == "literalinclude" else _TextInclude
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
        "flat-table": _ListTable,  # of the Linux kernel
        "csv-table": _CsvTable,
        "replace": misc.Replace,
        "unicode": misc.Unicode,
    }
    return known.get(bare, _Object)
