"""Walk the tree of an HTML page once and hand each element to the handler of its tag or of its role.

The project has its own converter because support answers need what general ones drop: the anchors of headings and
definition terms, the text of all tabs, code unchanged inside lists and tables, and no boilerplate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import HEADINGS, Part, part_of
from rag.sources.docs.html.buttons import stands_below_opener
from rag.sources.docs.html.elements import is_links, is_menu, text_of
from rag.sources.docs.html.text import BLOCKS, MAX_DEPTH, follows_name, is_next_to_word, shifted_tag
from rag.sources.docs.html.writer import MarkdownWriter

__all__ = ["Handler", "Handlers", "Walk"]

#: Tags that are content wherever they stand, as long as they have no attributes.
_PLAIN = frozenset({"p", "div", "span", "section", "dd", "td", "th", "tbody", "article"})
# Ids of the layout, and ids that a generator numbers: nobody links to either.
_LAYOUT_ID = re.compile(
    r"^(?:content|main|root|app|wrapper|body|article|page|container|inner|outer|docs?|top|index-\d+|__\w+|tabs?[-_].*|"
    r".*(?:wrapper|container|content|panel|layout)|:r\w*:)$",
    re.IGNORECASE,
)

#: Writes an element to the walk's writer.
Handler = Callable[["Walk", Element], None]


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of elements, by tag and by role; the role goes first."""

    by_tag: Mapping[str, Handler]
    by_part: Mapping[Part, Handler]


class Walk:
    """The conversion of one page.

    :param fragments: every id of the page, since an anchor must name one of them
    :param external: returns the absolute address of a link to another site, else None
    :param with_contents: keep tables of contents
    """

    def __init__(
        self,
        handlers: Handlers,
        fragments: Collection[str],
        *,
        external: Callable[[str], str | None] = lambda _: None,
        with_contents: bool = False,
    ) -> None:
        self.writer = MarkdownWriter()
        self.fragments = fragments
        self.external = external
        self.first_heading = ""
        #: the first h1, and how many there are
        self.h1 = ""
        self.h1_count = 0
        self.left_out_contents = False
        #: inside a table of contents that is written as a definition list
        self.is_in_contents = False
        #: labels of tabs whose panels were not found, in order
        self.tab_labels: list[str] = []
        self.label_of_panel: dict[Element, str] = {}
        #: returns the ids of the elements that buttons and tabs of the page show
        self.openers: Callable[[], Collection[str]] = frozenset
        #: the result is a part of a line: a cell, a term, a label
        self.is_inline = False
        #: the result stands in bold
        self.is_bold = False
        self._handlers = handlers
        self._with_contents = with_contents
        self._depth = 0

    def render(self, *roots: Element) -> str:
        """Return the Markdown of boxes, or of a heading that has none."""
        for root in roots:
            if root.tag in HEADINGS:
                self.element(root)
            else:
                self.children(root)
            self.writer.finish_block()
        return self.writer.markdown()

    def text(self, element: Element, joint: str = " ", *, is_bold: bool = False) -> str:
        """Return the Markdown of an element on one line.

        :param joint: stands between its blocks
        :param is_bold: the text is going to stand in bold, so nothing in it is marked as bold
        """
        inner = Walk(self._handlers, self.fragments, external=self.external, with_contents=self._with_contents)
        inner._depth, inner.label_of_panel, inner.openers = self._depth, self.label_of_panel, self.openers
        inner.is_inline, inner.is_bold = True, is_bold or self.is_bold
        inner.children(element)
        return inner.writer.one_line(joint)

    def children(self, element: Element) -> None:
        """Write the text of an element and all its children."""
        if self._depth >= MAX_DEPTH:
            self.writer.inline.append(" ".join(element.itertext("*")))
            return
        self._depth += 1
        if element.text:
            self.writer.inline.append(element.text)
        for child in element:
            if type(child.tag) is str:
                self.element(child)
            if child.tail:
                self.writer.inline.append(child.tail)
        self._depth -= 1

    def descend(self, element: Element, write: Handler) -> None:
        """Write an element that its handler found inside another, as flat text where nesting is too deep."""
        if self._depth >= MAX_DEPTH:
            self.writer.inline.append(" ".join(element.itertext("*")))
            return
        self._depth += 1
        write(self, element)
        self._depth -= 1

    def element(self, element: Element) -> None:
        """Write an element, unless it is boilerplate."""
        tag = element.tag
        if self.label_of_panel and element in self.label_of_panel:
            self.writer.flush()
            self.writer.set_label(self.label_of_panel.pop(element), "**")
        if element.attrib or not (tag in self._handlers.by_tag or tag in _PLAIN):
            part = part_of(element)
            if part is not Part.CONTENT:
                if self._is_left_out(element, part):
                    return
                if by_part := self._handlers.by_part.get(part):
                    by_part(self, element)
                    return
            tag = shifted_tag(element)
        if by_tag := self._handlers.by_tag.get(tag):
            by_tag(self, element)
        elif tag in BLOCKS and not _is_inline(element):
            self.block(element)
        elif "-" in tag:
            self.apart(element)
        else:
            if tag == "span" and follows_name(element):
                self.writer.inline.append(" ")
            self.note_anchor(element)
            self.children(element)
            if tag == "span" and is_next_to_word(element):
                self.writer.inline.append(" ")

    def apart(self, element: Element) -> None:
        """Write an element that a theme may show apart from the text around it: its words never join others."""
        inline = self.writer.inline
        if inline and inline[-1][-1:].isalnum():
            inline.append(" ")
        self.note_anchor(element)
        self.children(element)
        if _is_beside(element) or (element.tail or "")[:1].isalnum():
            inline.append(" ")

    def _is_left_out(self, element: Element, part: Part) -> bool:
        if part is Part.BOILERPLATE:
            if element.tag in ("a", "span"):
                self.note_anchor(element)
            return True
        if part is Part.HIDDEN:
            return not self.is_opened(element)
        if part is Part.CONTENTS:
            if _leads_to_own_headings(element):
                return True
            self.left_out_contents = True
            return not self._with_contents
        if part is Part.HEADER:
            return not _says_something(element)
        return part is Part.DOUBTFUL and is_menu(element)

    def block(self, element: Element) -> None:
        """Write an element as blocks of its own."""
        self.writer.flush()
        self.note_anchor(element)
        self.children(element)
        self.writer.flush()

    def is_opened(self, element: Element) -> bool:
        """Return whether a button of the page opens a hidden element, and it is not a menu."""
        is_named = element.get("id") in self.openers() or stands_below_opener(element)
        return is_named and element.tag in BLOCKS and not is_links(element)

    def is_anchor(self, element: Element, name: str) -> bool:
        """Return whether an id is a place that people link to."""
        return name in self.fragments and "indexterm" not in (element.get("class") or "") and not _LAYOUT_ID.match(name)

    def anchor_inside(self, element: Element, *attributes: str) -> str | None:
        """Return the first anchor inside an element, from the attributes that may hold one: id, name."""
        for inner in element.iter("a", "span"):
            name: str | None = next(filter(None, map(inner.get, attributes)), None)
            if name and self.is_anchor(inner, name):
                return name
        return None

    def find_anchor(self, element: Element) -> str | None:
        """Return the anchor of an element, or else the first inside it."""
        own: str | None = element.get("id")
        if own and self.is_anchor(element, own):
            return own
        return self.anchor_inside(element, "id", "name")

    def note_anchor(self, element: Element) -> None:
        """Give the next block the id of an element as its anchor."""
        name = element.get("id") or (element.get("name") if element.tag == "a" else None)
        if name and self.is_anchor(element, name) and not "".join(self.writer.inline).strip():
            self.writer.anchor = name


def _leads_to_own_headings(contents: Element) -> bool:
    """Return whether all links of a table of contents lead to places of the page itself."""
    links = [link.get("href") or "" for link in contents.iter("a") if "href" in link.attrib]
    return bool(links) and all(href.startswith("#") for href in links)


_WORDS = frozenset({"span", "strong", "b", "em", "i", "code"})


def _says_something(header: Element) -> bool:
    """Return whether a header belongs to the text: it has a heading; in the main text, a sentence or a name."""
    if next(header.iter(*HEADINGS), None) is not None or next(header.iterancestors("section"), None) is not None:
        return True
    is_inside = next(header.iterancestors("main", "article"), None) is not None
    if not is_inside or is_links(header):
        return False
    above = header.getparent()
    if above is not None and above.tag == "div" and all(child.tag in _WORDS for child in header):
        return True  # the name of a card
    return next(header.iter("code"), None) is not None or any(len(text_of(p).split()) > 3 for p in header.iter("p"))


def _is_inline(element: Element) -> bool:
    """Return whether a box is shown in a line, as YARD does with the only paragraph about a parameter."""
    box: Element | None = element
    if element.tag == "p":
        above = element.getparent()
        box = above if above is not None and len(above) == 1 else None
    return box is not None and box.tag == "div" and "inline" in (box.get("class") or "").split()


def _is_beside(element: Element) -> bool:
    """Return whether another element follows an element at once."""
    return not element.tail and element.getnext() is not None
