"""Write the tree of a reStructuredText file as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from docutils import nodes

from rag.sources.markup.anchors import Anchors
from rag.sources.markup.code import LANGUAGES, code_span, fenced
from rag.sources.markup.escape import escape_line_starts
from rag.sources.markup.inline import BADGE, link_target
from rag.sources.markup.markdown import Links
from rag.sources.markup.rst.literalinclude import select_lines
from rag.sources.markup.rst.nodes import Code, Include, Reference, Signature, Titled
from rag.sources.markup.rst.tables import table
from rag.sources.names import names
from rag.text.anchors import anchored, escape_anchor
from rag.text.lines import one_line

__all__ = ["Writer"]

#: The level of a message of docutils about text that it left out.
_ERROR = 3
#: A title whose underline docutils finds inconsistent.
_TITLE = re.compile(r"(?:([!-/:-@\[-`{-~])\1+[ ]*\n)?(?P<title>[^\n]+)\n([!-/:-@\[-`{-~])\3+\s*$")
_METADATA = names("orphan tocdepth nocomments nosearch no-toc notoc template")


class Writer:
    """Writes the nodes of a document as blocks of Markdown.

    :param links: resolves the links
    :param anchors: gives the headings their anchors
    """

    def __init__(self, document: nodes.document, links: Links, anchors: Anchors) -> None:
        self._links = links
        self._depth = 0
        self.title = ""
        #: the names that links may use, and their anchors
        self.anchors: dict[str, str] = {}
        #: the titles of labelled headings
        self.labels: dict[str, str] = {}
        self._headings: dict[int, str] = {}
        for section in document.findall(nodes.section):
            title = section.next_node(nodes.title)
            text = title.astext() if title else ""
            anchor = self._headings[id(section)] = anchors.add(one_line(text))
            for name in (*section["names"], *section["ids"]):
                self.labels.setdefault(name, text)
                if anchor:
                    self.anchors.setdefault(name, anchor)
        self.anchors.update({anchor: anchor for anchor in self._headings.values() if anchor})

    def blocks(self, children: Iterable[nodes.Node]) -> Iterator[str]:
        """Yield the blocks of nodes; inline nodes between blocks make a paragraph."""
        run: list[nodes.Node] = []
        for child in children:
            if isinstance(child, nodes.Text | nodes.Inline | Reference) and not isinstance(child, nodes.Invisible):
                run.append(child)
                continue
            if run and (text := self._paragraph(run)):
                yield text
            run = []
            yield from self._block(child)
        if run and (text := self._paragraph(run)):
            yield text

    def _block(self, node: nodes.Node) -> Iterator[str]:
        write = _BLOCKS.get(type(node))
        if write:
            yield from write(self, node)
        elif isinstance(node, nodes.Invisible):
            return
        elif isinstance(node, nodes.Element):
            yield from self.blocks(node.children)

    def _section(self, node: nodes.section) -> Iterator[str]:
        self._depth += 1
        for child in node.children:
            if isinstance(child, nodes.title):
                # Headings are plain text: code in them adds nothing to its words.
                text = one_line(re.sub(r"\|(\S[^|]*)\|", r"\1", child.astext()))
                anchor = self._headings.get(id(node), "")
                self.title = self.title or text
                yield anchored(f"{'#' * min(self._depth, 6)} {text}", anchor)
            else:
                yield from self._block(child)
        self._depth -= 1

    def _paragraph(self, children: Iterable[nodes.Node]) -> str:
        text = self.inline(children).strip()
        return escape_anchor(escape_line_starts(text))

    def _paragraph_block(self, node: nodes.Element) -> Iterator[str]:
        if text := self._paragraph(node.children):
            yield text

    def _literal(self, node: nodes.literal_block) -> Iterator[str]:
        if caption := node.get("caption"):
            yield f"**{caption}**"
        yield _fenced(node.astext(), node.get("language", ""))

    def _include(self, node: Include) -> Iterator[str]:
        options = node["options"]
        found = None if options.get("text") else self._links.included(node["target"])
        code = "\n".join(select_lines(found.split("\n"), options)) if found is not None else ""
        if caption := options.get("caption"):
            yield f"**{caption}**"
        if code.strip():
            yield _fenced(code, options.get("language") or LANGUAGES.get(PurePosixPath(node["target"]).suffix, ""))
        elif name := PurePosixPath(node["target"]).name:
            address = self._links.page(node["target"], {})
            yield f"[{name}]({link_target(address)})" if address else _code_span(name)

    def _doctest(self, node: nodes.doctest_block) -> Iterator[str]:
        yield _fenced(node.astext(), "pycon")

    def _titled(self, node: Titled) -> Iterator[str]:
        label = self.inline(node["label"]).strip()
        if label:
            yield f"**{label}**"
        yield from self.blocks(node.children)

    def _signature(self, node: Signature) -> Iterator[str]:
        yield from _defined([_code_span(line) for line in node["signatures"]], self.blocks(node.children))

    def _bullets(self, node: nodes.Element) -> Iterator[str]:
        yield from self._list(node, ("- " for _ in node.children))

    def _numbers(self, node: nodes.Element) -> Iterator[str]:
        start = node.get("start", 1)
        yield from self._list(node, (f"{start + at}. " for at in range(len(node.children))))

    def _list(self, node: nodes.Element, marks: Iterable[str]) -> Iterator[str]:
        items = []
        for item, mark in zip(node.children, marks, strict=True):
            text = _joined(list(self.blocks(item.children)))
            items.append(f"{mark}{textwrap.indent(text, ' ' * len(mark)).lstrip()}" if text else "")
        is_loose = any("\n\n" in item for item in items)
        yield ("\n\n" if is_loose else "\n").join(item for item in items if item)

    def _definitions(self, node: nodes.definition_list) -> Iterator[str]:
        for item in node.children:
            terms = [child for child in item.children if isinstance(child, nodes.term)]
            kinds = [child.astext() for child in item.children if isinstance(child, nodes.classifier)]
            labels = [self._label(term, "".join(f" : {kind}" for kind in kinds)) for term in terms]
            definitions = (child for child in item.children if isinstance(child, nodes.definition))
            yield from _defined(labels, (block for child in definitions for block in self.blocks(child.children)))

    def _label(self, node: nodes.Element, after: str = "") -> str:
        text = self.inline(node.children).strip()
        # Code and bold text need no further emphasis.
        plain = text if re.match(r"^(?:`[^`]*`|\*\*.*\*\*)$", text) else f"**{text}**" if text else ""
        return f"{plain}{after}"

    def _fields(self, node: nodes.Element) -> Iterator[str]:
        for field in node.children:
            name, body = field.children[0], field.children[-1]
            if name.astext().strip().lower() in _METADATA and isinstance(node.parent, nodes.document):
                continue
            blocks = list(self.blocks(body.children))
            label = f"**{self.inline(name.children).strip()}:**"
            if blocks and not blocks[0].startswith(("```", "|", "- ", ">")):
                yield f"{label} {blocks.pop(0)}"
            else:
                yield label
            yield from blocks

    def _options(self, node: nodes.option_list) -> Iterator[str]:
        for item in node.children:
            options = _code_span(", ".join(option.astext() for option in item.findall(nodes.option)))
            yield from _defined([options], self.blocks(item.children[-1].children))

    def _quote(self, node: nodes.block_quote) -> Iterator[str]:
        blocks = list(self.blocks(node.children))
        if node.children and isinstance(node.children[-1], nodes.attribution) and blocks:
            blocks[-1] = f"— {blocks[-1]}"
        # Indented code and lists are not quotations.
        if any(_is_structure(child) for child in node.children):
            yield from blocks
        elif blocks:
            yield textwrap.indent("\n\n".join(blocks), "> ", lambda _: True).replace("> \n", ">\n")

    def _lines(self, node: nodes.line_block) -> Iterator[str]:
        yield "\n".join(text for line in node.findall(nodes.line) if (text := self._paragraph(line.children)))

    def _footnote(self, node: nodes.Element) -> Iterator[str]:
        label = next((child.astext() for child in node.children if isinstance(child, nodes.label)), "")
        blocks = list(self.blocks(child for child in node.children if not isinstance(child, nodes.label)))
        yield "\n\n".join([f"[{label}] {blocks[0]}", *blocks[1:]] if blocks else [])

    def _math(self, node: nodes.Element) -> Iterator[str]:
        yield _fenced(node.astext(), "math")

    def _message(self, node: nodes.system_message) -> Iterator[str]:
        """Write the text that docutils could not parse; below a warning it is written anyway."""
        for child in node.children:
            text = child.astext()
            if (
                node.get("level", 0) < _ERROR
                or not isinstance(child, nodes.literal_block)
                or text.lstrip().startswith("..")
            ):
                continue
            if match := _TITLE.match(text):
                yield f"{'#' * min(self._depth + 1, 6)} {one_line(match['title'])}"
            else:
                yield text

    def _rule(self, _node: nodes.transition) -> Iterator[str]:
        yield "---"

    def _table(self, node: nodes.table) -> Iterator[str]:
        for title in node.children:
            if isinstance(title, nodes.title):
                yield f"**{self.inline(title.children).strip()}**"
        yield from table(node, lambda entry: list(self.blocks(entry.children)))

    def inline(self, children: Iterable[nodes.Node]) -> str:
        """Return inline nodes as Markdown."""
        return "".join(self._inline(child) for child in children)

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text | nodes.substitution_reference):
            return str(node.astext())
        if isinstance(node, nodes.literal | nodes.math):
            return _code_span(node.astext())
        if isinstance(node, Reference):
            return self._reference(node)
        if isinstance(node, nodes.image):
            return self._image(node)
        if isinstance(node, nodes.footnote_reference | nodes.citation_reference):
            return f"[{node.astext()}]"
        if isinstance(node, nodes.problematic):
            return re.sub(r"^\|(.+)\|_{0,2}$", r"\1", node.astext())
        if isinstance(node, nodes.comment | nodes.system_message | nodes.substitution_definition):
            return ""
        text = self.inline(node.children)
        if isinstance(node, nodes.emphasis):
            return _marked(text, "*")
        if isinstance(node, nodes.strong):
            return _marked(text, "**")
        if isinstance(node, nodes.title_reference):
            return text
        if isinstance(node, nodes.reference):
            return self._link(node, text)
        return text

    def _link(self, node: nodes.reference, text: str) -> str:
        target = node.get("refuri") or (f"#{node['refid']}" if node.get("refid") else "")
        if target == text or target == f"mailto:{text}":
            return text
        address = self._links.page(target, self.anchors) if target else None
        return f"[{text}]({link_target(address)})" if address and text.strip() else text

    def _reference(self, node: Reference) -> str:
        found = self._links.named(node["kind"], node["target"], self.anchors, self.labels)
        text = node.astext()
        if not node["titled"]:
            text = found.title if found and found.title else _title_of(text, node["kind"])
        return f"[{text}]({link_target(found.address)})" if found and found.address and text else text

    def _image(self, node: nodes.image) -> str:
        alt, source = node.get("alt", ""), node.get("uri", "")
        if BADGE.search(source):
            return ""
        address = self._links.image(source) if source else None
        return f"![{alt}]({link_target(address)})" if address else alt


def _title_of(text: str, kind: str) -> str:
    """Return a title for a link without one: of a page, the last part of its path."""
    return re.sub(r"[-_]+", " ", text.rstrip("/").rpartition("/")[2]).strip() or text if kind == "doc" else text


def _fenced(code: str, language: str) -> str:
    return fenced(code.strip("\n") if code.strip() else "", language)


def _code_span(code: str) -> str:
    return code_span(code.replace("\n", " ").strip())


def _marked(text: str, mark: str) -> str:
    return f"{mark}{text.strip()}{mark}" if text.strip() else text


def _joined(blocks: Sequence[str]) -> str:
    """Join the blocks of a list item, without a blank line between a single paragraph and the list below it."""
    if len(blocks) == 2 and re.match(r"(?:- |\d+\. )", blocks[1]) and "\n\n" not in blocks[1]:
        return "\n".join(blocks)
    return "\n\n".join(blocks)


def _defined(terms: Sequence[str], definition: Iterable[str]) -> Iterator[str]:
    """Yield the blocks of a definition, its terms right above the first one unless that is code or a table."""
    blocks = list(definition)
    label = "\n".join(filter(None, terms))
    if blocks and label and not blocks[0].startswith(("```", "~~~", "|", "#")):
        blocks[0] = f"{label}\n{blocks[0]}"
    elif label:
        blocks.insert(0, label)
    yield from blocks


def _is_structure(node: nodes.Node) -> bool:
    return isinstance(
        node,
        nodes.bullet_list | nodes.enumerated_list | nodes.literal_block | nodes.doctest_block | nodes.table
        | nodes.definition_list | nodes.Admonition | Titled | Signature | nodes.block_quote | nodes.line_block
        | nodes.field_list | nodes.option_list,
    )  # fmt: skip


_Write = Callable[[Writer, "nodes.Element"], Iterator[str]]
_BLOCKS: Mapping[type[nodes.Node], _Write] = {
    nodes.section: Writer._section,
    nodes.paragraph: Writer._paragraph_block,
    nodes.caption: Writer._paragraph_block,
    nodes.attribution: Writer._paragraph_block,
    nodes.rubric: Writer._paragraph_block,
    nodes.title: Writer._paragraph_block,
    nodes.literal_block: Writer._literal,
    Code: Writer._literal,
    Include: Writer._include,
    nodes.doctest_block: Writer._doctest,
    Titled: Writer._titled,
    Signature: Writer._signature,
    nodes.bullet_list: Writer._bullets,
    nodes.enumerated_list: Writer._numbers,
    nodes.definition_list: Writer._definitions,
    nodes.field_list: Writer._fields,
    nodes.option_list: Writer._options,
    nodes.block_quote: Writer._quote,
    nodes.line_block: Writer._lines,
    nodes.footnote: Writer._footnote,
    nodes.citation: Writer._footnote,
    nodes.math_block: Writer._math,
    nodes.system_message: Writer._message,
    nodes.transition: Writer._rule,
    nodes.table: Writer._table,
}
