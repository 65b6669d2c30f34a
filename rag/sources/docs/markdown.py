"""Write the content of a page as Markdown, in one walk over the tree.

Own code, because what a support answer needs is what converters leave out: the anchors of headings and definition
terms, all tabs, code to the letter inside lists and tables, and nothing of the page's furniture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from lxml.etree import _Element as Element

from rag.sources.docs.furniture import Part, is_links, part_of, text_of, words

__all__ = ["Renderer"]

_DEEPEST = 120
_BREAK = "\x01"
_BLOCKS = words(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hgroup hr li main menu nav ol p pre section summary table ul"
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CODE_TAGS = frozenset({"code", "kbd", "samp", "tt"})
_PERMALINKS = frozenset({"", "¶", "#", "§", "🔗", "link", "permalink", "anchor", "\uf0c1"})
_EDIT_LINK = re.compile(
    r"^(?:edit(?: this)?(?: page| on github)?|improve this page|suggest (?:an )?edits?|view (?:page )?source|"
    r"show source|report an issue|"
    r"\[source\]|\[edit\]|copy|copy page|back to top)$",
    re.IGNORECASE,
)
# Ids of layout, and ids that a generator counts up: neither is a place that people link to.
_NO_PLACE = re.compile(
    r"^(?:content|main|root|app|wrapper|body|article|page|container|inner|outer|docs?|top|index-\d+|__\w+|tabs?[-_].*|"
    r".*(?:wrapper|container|content|panel|layout)|:r\w*:)$",
    re.IGNORECASE,
)
# Between code and the element that names its language there may be a table, with line numbers in its other column.
_AROUND_CODE = frozenset({"div", "figure", "section", "td", "tr", "tbody", "table"})
_LANGUAGE = re.compile(r"(?:^|\s)(?:language-|lang-|highlight-source-|highlight-|brush:\s*|sourceCode\s+)([\w+#.-]+)")
_NO_LANGUAGE = frozenset(
    {"default", "none", "text", "plaintext", "plain", "txt", "notranslate", "highlight", "output", "code"}
)
_LANGUAGES = {"python3": "python", "pycon": "pycon", "ipython3": "python", "shell": "shell", "shellsession": "console"}
_LINE_START = re.compile(r"^(#{1,6}(?=\s)|```|~~~)", re.MULTILINE)
_TERM_LENGTH = 120
# Zero-width characters, and the private ones that icon fonts use.
_INVISIBLE = re.compile("[\u200b\ufeff\u00ad\ue000-\uf8ff]")


@dataclass(slots=True)
class _Frame:
    """A list item or quotation that blocks stand in: what comes before its first line and before the others."""

    first: str
    rest: str
    used: bool = False


class Renderer:
    """Render one page.

    :param fragments: every id of the page, so that no anchor is written that is not there
    :param external: returns the absolute address of a link that leads out of the site, else None
    :param with_contents: keep tables of contents
    """

    def __init__(
        self,
        fragments: Collection[str],
        *,
        external: Callable[[str], str | None] = lambda _: None,
        with_contents: bool = False,
    ) -> None:
        self._fragments = fragments
        self._external = external
        self._with_contents = with_contents
        self.left_out_contents = False
        self.first_heading = ""
        self.h1 = ""
        self.h1s = 0
        self._out: list[str] = []
        self._inline: list[str] = []
        self._frames: list[_Frame] = []
        self._anchor: str | None = None
        self._label = ""
        self._label_joint = "\n"
        self._after_item = False
        self._depth = 0
        self._in_contents = False
        self._tab_labels: list[str] = []
        self._stacked_labels: list[str] = []
        self._labels_of: dict[Element, str] = {}

    def render(self, root: Element) -> str:
        """Return the Markdown of an element."""
        self._children(root)
        self._flush()
        self._put_label()
        return "".join(self._out).strip("\n")

    # The walk

    def _children(self, element: Element) -> None:
        if self._depth >= _DEEPEST:
            self._text(" ".join(element.itertext("*")))
            return
        self._depth += 1
        if element.text:
            self._text(element.text)
        for child in element:
            if type(child.tag) is str:
                self._element(child)
            if child.tail:
                self._text(child.tail)
        self._depth -= 1

    def _text(self, text: str) -> None:
        self._inline.append(text)

    def _element(self, element: Element) -> None:
        tag = element.tag
        if element.attrib or tag not in _BARE:
            part = part_of(element)
            if part is not Part.CONTENT and self._special(element, part):
                return
        handler = _HANDLERS.get(tag)
        if handler:
            handler(self, element)
        elif tag in _BLOCKS:
            self._container(element)
        else:
            self._note_anchor(element)
            self._children(element)

    def _special(self, element: Element, part: Part) -> bool:
        """Handle what is no plain content; return whether it is done."""
        if part is Part.FURNITURE:
            if element.tag in ("a", "span"):
                self._note_anchor(element)
            return True
        if part is Part.CONTENTS:
            self.left_out_contents = True
            return not self._with_contents
        if part is Part.HEADER:
            return element.find(".//h1") is None and element.find(".//h2") is None
        if part is Part.DOUBTFUL:
            return is_links(element)
        if part is Part.MATH:
            return self._math(element)
        if part is Part.ADMONITION:
            self._admonition(element)
        elif part is Part.ADMONITION_TITLE:
            self._flush()
            self._set_label(_plain(element), ":**")
        elif part is Part.TAB_LABELS:
            self._tab_labels = [
                _plain(child)
                for child in element.iter("label", "li", "button", "a", "div")
                if _plain(child) and not len(child)
            ] or [_plain(child) for child in element if type(child.tag) is str]
        elif part is Part.TAB_LABEL:
            self._flush()
            self._set_label(_plain(element), "**")
        else:
            self._tab_panel(element)
        return True

    # Blocks

    def _container(self, element: Element) -> None:
        self._flush()
        self._note_anchor(element)
        if self._labels_of and element in self._labels_of:
            self._set_label(self._labels_of.pop(element), "**")
        self._children(element)
        self._flush()

    def _heading(self, element: Element) -> None:
        self._flush()
        card = next(element.iterancestors("a"), None)
        if card is not None and not card.get("href", "#").startswith("#"):
            self._caption(element)  # it names another page, and no part of this one
            return
        anchor = self._heading_anchor(element) or self._anchor
        text = _heading_text(element)
        if not text:
            self._anchor = anchor
            return
        self._put_label()
        for frame in self._frames:
            frame.first = frame.rest = ""
        if not self.first_heading:
            self.first_heading = text
        if element.tag == "h1":
            self.h1 = self.h1 or text
            self.h1s += 1
        self._anchor = anchor
        self._emit(f"{'#' * int(element.tag[1])} {text}")

    def _heading_anchor(self, element: Element) -> str | None:
        for link in element.iter("a"):
            href = link.get("href") or ""
            if href.startswith("#") and href[1:] in self._fragments and _is_permalink(link):
                return str(href[1:])
        own: str | None = element.get("id")
        if own and own in self._fragments:
            return own
        for inner in element.iter("a", "span"):
            name: str | None = inner.get("id") or inner.get("name")
            if name and self._is_place(inner, name):
                return name
        return None

    def _list(self, element: Element) -> None:
        self._flush()
        self._note_anchor(element)
        number = _integer(element.get("start")) or 1
        ordered = element.tag == "ol"
        for child in element:
            if type(child.tag) is not str:
                continue
            if child.tag != "li":
                self._element(child)
                continue
            if part_of(child) is Part.FURNITURE:
                continue
            marker = f"{_integer(child.get('value')) or number}. " if ordered else "- "
            number += 1
            self._item(child, marker)
        if not self._frames:
            self._after_item = False

    def _item(self, element: Element, marker: str) -> None:
        self._flush()
        self._put_label()
        self._note_anchor(element)
        self._frames.append(_Frame(marker, " " * len(marker)))
        self._children(element)
        self._flush()
        self._put_label()
        self._frames.pop()

    def _loose_item(self, element: Element) -> None:
        """Render an item that stands outside of a list."""
        self._item(element, "- ")

    def _quotation(self, element: Element) -> None:
        self._flush()
        self._note_anchor(element)
        self._frames.append(_Frame("> ", "> "))
        self._children(element)
        self._flush()
        self._put_label()
        self._frames.pop()

    def _definitions(self, element: Element) -> None:
        if self._in_contents or part_of(element) is Part.CONTENTS:
            self._contents(element)
        else:
            self._container(element)

    def _contents(self, element: Element) -> None:
        """Render DocBook's table of contents, which is a definition list in name only."""
        self._flush()
        outer, self._in_contents = self._in_contents, True
        for child in element:
            if child.tag == "dt":
                self._item(child, "- ")
            elif child.tag == "dd":
                self._frames.append(_Frame("  ", "  ", used=True))
                self._children(child)
                self._flush()
                self._frames.pop()
        self._in_contents = outer

    def _term(self, element: Element) -> None:
        self._flush()
        anchor = element.get("id")
        if not anchor or not self._is_place(element, anchor):
            anchor = next(
                (
                    name
                    for inner in element.iter("a", "span")
                    if (name := inner.get("id")) and self._is_place(inner, name)
                ),
                None,
            )
        text = _code_span(_signature(element)) if _is_signature(element) else self._captured(element)
        if not text:
            self._anchor = anchor or self._anchor
            return
        if anchor:
            self._put_label()
            self._anchor = anchor
            self._emit(text if text.startswith("`") else f"**{text}**")
            return
        if self._label and self._label_joint == "\n":
            self._label = f"{self._label}, **{text}**"
        else:
            self._put_label()
            self._label, self._label_joint = f"**{text}**", "\n"

    def _summary(self, element: Element) -> None:
        self._flush()
        self._set_label(self._captured(element), "**")

    def _code(self, element: Element) -> None:
        self._flush()
        self._note_anchor(element)
        text = _preformatted(element)
        if not text.strip():
            return
        self._put_label()
        ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
        self._emit_verbatim(f"{ticks}{_language(element)}\n{text}\n{ticks}")

    def _table(self, element: Element) -> None:
        if "highlighttable" in (element.get("class") or ""):
            for title in element.iterfind(".//th"):
                self._caption(title)
            for pre in element.iter("pre"):
                if not any("linenos" in (above.get("class") or "") for above in pre.iterancestors("td", "div")):
                    self._code(pre)
            return
        self._flush()
        self._note_anchor(element)
        for caption in element.findall("caption"):
            self._caption(caption)
        rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element]
        if not rows:
            self._children(element)
            self._flush()
            return
        self._put_label()
        heads, grid = _grid(rows)
        width = max((len(row) for row in grid), default=0)
        if element.get("role") == "presentation" or width < 2 or _is_complex(element):
            self._rows(heads, grid)
        else:
            self._plain_table(heads, grid, width)

    def _plain_table(self, heads: int, grid: list[list[Element | None]], width: int) -> None:
        memory: dict[Element, str] = {}
        lines = []
        for row in grid:
            cells = []
            for cell in row:
                if cell is None:
                    cells.append("")
                    continue
                if cell not in memory:
                    memory[cell] = self._captured(cell, joint="<br>").replace("|", "\\|")
                cells.append(memory[cell])
            cells += [""] * (width - len(cells))
            lines.append(f"| {' | '.join(cells)} |")
        if not heads:
            lines.insert(0, "|" + "   |" * width)
            heads = 1
        elif heads > 1:
            # Markdown has one line of heads; further ones are rows.
            heads = 1
        lines.insert(heads, "|" + " --- |" * width)
        self._emit_verbatim("\n".join(lines))

    def _rows(self, heads: int, grid: list[list[Element | None]]) -> None:
        """Render a table whose cells hold blocks, or that has one column, row by row."""
        labels = [self._captured(cell) if cell is not None else "" for cell in grid[0]] if heads == 1 else []
        single = all(len(row) < 2 for row in grid)
        for row in grid[heads:]:
            for position, cell in enumerate(row):
                if cell is None:
                    continue
                if not single and position < len(labels) and labels[position]:
                    self._set_label(labels[position], ":**", " ")
                if single and not _holds_blocks(cell):
                    self._note_anchor(cell)
                    self._emit_text(self._captured(cell, joint="\n"))
                    continue
                self._container(cell)
                self._put_label()

    def _caption(self, element: Element) -> None:
        self._flush()
        text = self._captured(element)
        if text:
            self._emit_text(text if text.startswith("**") else f"**{text}**")

    def _admonition(self, element: Element) -> None:
        """Render a note or warning as paragraphs of which the first begins with its title."""
        self._flush()
        self._note_anchor(element)
        title = _admonition_title(element)
        if title is None:
            named = f"{element.get('data-callout-type') or ''} {element.get('class') or ''}"
            names = named.lower().replace("-", " ").split()
            kind = next((name for name in names if name in _KINDS), "")
            if kind:
                self._set_label(kind.capitalize(), ":**", " ")
        else:
            self._set_label(_plain(title), ":**", " ")
            _clear(title)
        self._children(element)
        self._flush()
        self._put_label()

    def _tab_panel(self, element: Element) -> None:
        self._flush()
        if self._tab_labels and "sd-tab-content" not in (element.get("class") or ""):
            self._set_label(self._tab_labels.pop(0), "**")
        self._children(element)
        self._flush()
        self._put_label()

    def _field_label(self, element: Element) -> None:
        """Render the label of a radio button, which is how tabs are made without a script.

        Where several come in a row, they belong to the panels that follow them all.
        """
        before, after = element.getprevious(), element.getnext()
        if before is None or before.tag != "input" or before.get("type") != "radio":
            self._children(element)
            return
        self._flush()
        text = _plain(element)
        if not any(map(str.isalnum, text)):
            text = element.get("title") or ""
        if after is not None and after.tag == "input":
            self._stacked_labels.append(text)
        elif not self._stacked_labels:
            self._set_label(text, "**")
        else:
            labels = [*self._stacked_labels, text]
            self._stacked_labels.clear()
            panels = [panel for panel in element.itersiblings() if panel.tag in ("div", "section")]
            if len(panels) == len(labels):
                self._labels_of.update(zip(panels, labels, strict=True))

    def _nothing(self, element: Element) -> None:
        if element.tag == "hr":
            self._flush()

    # Inline

    def _marked(self, element: Element, mark: str) -> None:
        self._note_anchor(element)
        position = len(self._inline)
        blocks = len(self._out)
        self._children(element)
        if len(self._out) != blocks or position > len(self._inline):
            return
        inner = "".join(self._inline[position:])
        text = inner.strip()
        if not text or text.startswith("`") or mark in text:
            return
        before = inner[: len(inner) - len(inner.lstrip())]
        after = inner[len(inner.rstrip()) :]
        self._inline[position:] = [f"{before}{mark}{text}{mark}{after}"]

    def _strong(self, element: Element) -> None:
        self._marked(element, "**")

    def _emphasis(self, element: Element) -> None:
        self._marked(element, "*")

    def _inline_code(self, element: Element) -> None:
        if element.find(".//pre") is not None:
            self._children(element)
            return
        self._note_anchor(element)
        text = " ".join(_visible(element).split())
        if not text:
            return
        if self._inline and self._inline[-1].endswith("`") and not self._inline[-1].endswith("``"):
            self._inline[-1] = self._inline[-1][:-1] + _code_span(text)[1:]
        else:
            self._inline.append(_code_span(text))

    def _link(self, element: Element) -> None:
        if _is_permalink(element):
            return
        self._note_anchor(element)
        position = len(self._inline)
        blocks = len(self._out)
        self._children(element)
        if len(self._out) != blocks:
            return
        text = "".join(self._inline[position:]).strip()
        if len(text) < 24 and _EDIT_LINK.match(text):
            del self._inline[position:]
            return
        target = self._external(element.get("href") or "")
        if text and target and text.rstrip("/") not in (target.rstrip("/"), target.partition("://")[2].rstrip("/")):
            inner = "".join(self._inline[position:])
            self._inline[position:] = [inner.replace(text, f"[{text}]({target})")]

    def _image(self, element: Element) -> None:
        alt = " ".join((element.get("alt") or "").split())
        if alt and "badge" not in (element.get("src") or ""):
            self._inline.append(alt)

    def _line_break(self, _element: Element) -> None:
        self._inline.append(_BREAK)

    def _superscript(self, element: Element) -> None:
        text = _plain(element)
        before = self._inline[-1] if self._inline else ""
        if text and before and before[-1:].isalnum() and re.fullmatch(r"[-+]?\w{1,6}", text):
            self._inline.append(f"^{text}")
        else:
            self._children(element)

    def _quoted(self, element: Element) -> None:
        self._inline.append("“")
        self._children(element)
        self._inline.append("”")

    def _math(self, element: Element) -> bool:
        tex = next((note.text for note in element.iter("annotation") if "tex" in (note.get("encoding") or "")), None)
        if tex is None:
            self._inline.append(_plain(element))
        else:
            self._inline.append(f"${tex.strip()}$")
        return True

    # Anchors

    def _is_place(self, element: Element, name: str) -> bool:
        return (
            name in self._fragments
            and "indexterm" not in (element.get("class") or "")
            and not any(character in name for character in " {}")
            and not _NO_PLACE.match(name)
        )

    def _note_anchor(self, element: Element) -> None:
        """Remember where people can link to; the next block that begins takes it."""
        name = element.get("id") or (element.get("name") if element.tag == "a" else None)
        if name and self._is_place(element, name) and not "".join(self._inline).strip():
            self._anchor = name

    # Writing

    def _captured(self, element: Element, joint: str = " ") -> str:
        """Return the text of an element as one line, its blocks joined."""
        inner = Renderer(self._fragments, external=self._external, with_contents=self._with_contents)
        inner._depth = self._depth
        inner._children(element)
        if not inner._out and not inner._label:
            return _collapsed(inner._inline).replace("\n", joint)
        inner._flush()
        inner._put_label()
        lines = (line.strip() for line in "".join(inner._out).split("\n"))
        return joint.join(_without_anchor(line) for line in lines if line)

    def _set_label(self, text: str, closing: str, joint: str = "\n") -> None:
        self._put_label()
        text = text.strip().strip("*").rstrip(":").strip()
        if text:
            self._label, self._label_joint = f"**{text}{closing}", joint

    def _put_label(self) -> None:
        if self._label:
            label, self._label = self._label, ""
            self._emit(label)

    def _flush(self) -> None:
        if not self._inline:
            return
        text = _collapsed(self._inline)
        self._inline = []
        if text:
            self._emit_text(text)

    def _emit_text(self, text: str) -> None:
        if not text:
            return
        text = _LINE_START.sub(r"\\\1", text)
        if self._label:
            text, self._label = f"{self._label}{self._label_joint}{text}", ""
        self._emit(text)

    def _emit(self, text: str) -> None:
        """Write a block, with its anchor, inside the lists and quotations that are open."""
        begins_item = any(not frame.used and frame.first.strip() not in ("", ">") for frame in self._frames)
        tight = begins_item and self._after_item
        first_prefix = "".join(frame.rest if frame.used else frame.first for frame in self._frames)
        rest_prefix = "".join(frame.rest for frame in self._frames)
        for frame in self._frames:
            frame.used = True
        # An anchor stands on the first line of a block, so an item in the middle of a list has no place for one.
        if self._anchor and not tight:
            first, newline, rest = text.partition("\n")
            if text.startswith("#") or newline or len(text) > _TERM_LENGTH or text[-1] not in ".:!?,;":
                text = f"{first} {{#{self._anchor}}}{newline}{rest}"
        self._anchor = None
        if rest_prefix:
            text = first_prefix + text.replace("\n", f"\n{rest_prefix}")
        self._write(text, tight=tight)
        self._after_item = begins_item

    def _emit_verbatim(self, text: str) -> None:
        """Write code or a table at the margin, whatever it stands in: its lines stay as they are."""
        self._anchor = None
        for frame in self._frames:
            frame.used = True
        self._write(text, tight=False)
        self._after_item = False

    def _write(self, text: str, *, tight: bool) -> None:
        if self._out:
            self._out.append("\n" if tight else "\n\n")
        self._out.append(text)


_KINDS = words(
    "note tip hint warning caution important danger info attention error seealso example abstract success question "
    "failure bug todo"
)
_Handler = Callable[[Renderer, Element], None]
# A handler may be private: this table is part of the class in all but place.
_HANDLERS: dict[str, _Handler] = {
    **dict.fromkeys(_HEADINGS, Renderer._heading),
    **dict.fromkeys(("ul", "ol", "menu"), Renderer._list),
    "li": Renderer._loose_item,
    "dl": Renderer._definitions,
    "dt": Renderer._term,
    "blockquote": Renderer._quotation,
    "pre": Renderer._code,
    "table": Renderer._table,
    "figcaption": Renderer._caption,
    "summary": Renderer._summary,
    "label": Renderer._field_label,
    "hr": Renderer._nothing,
    **dict.fromkeys(("strong", "b"), Renderer._strong),
    **dict.fromkeys(("em", "i", "cite", "dfn"), Renderer._emphasis),
    **dict.fromkeys(_CODE_TAGS, Renderer._inline_code),
    "a": Renderer._link,
    "img": Renderer._image,
    "br": Renderer._line_break,
    "sup": Renderer._superscript,
    "q": Renderer._quoted,
}
# Without attributes these are plain content, whatever they are in.
_BARE = frozenset(_HANDLERS) | frozenset({"p", "div", "span", "section", "dd", "td", "th", "tbody", "article"})


def _collapsed(pieces: Iterable[str]) -> str:
    text = _INVISIBLE.sub("", "".join(pieces))
    if _BREAK not in text:
        return " ".join(text.split())
    return "\n".join(line for part in text.split(_BREAK) if (line := " ".join(part.split())))


def _visible(element: Element, depth: int = 0) -> str:
    """Return the text of an element without permalinks and other furniture."""
    if depth > _DEEPEST:
        return text_of(element)
    pieces = [element.text or ""]
    for child in element:
        is_link = child.tag == "a" and _is_permalink(child)
        if not is_link and part_of(child) is not Part.FURNITURE:
            pieces.append("\n" if child.tag == "br" else _visible(child, depth + 1))
        pieces.append(child.tail or "")
    return "".join(pieces)


def _plain(element: Element) -> str:
    return " ".join(_INVISIBLE.sub("", _visible(element)).split())


def _heading_text(element: Element) -> str:
    return _plain(element).replace("{#", "{ #")


def _is_permalink(link: Element) -> bool:
    href = link.get("href") or ""
    if "#" not in href:
        return False
    return " ".join(text_of(link).replace("\u200b", "").split()).lower() in _PERMALINKS and not len(
        link.findall(".//img")
    )


def _is_signature(element: Element) -> bool:
    return "sig" in (element.get("class") or "").split()


def _signature(element: Element) -> str:
    return _plain(element).removesuffix("[source]").strip()


def _code_span(text: str) -> str:
    if "`" not in text:
        return f"`{text}`"
    ticks = "`" * (max(len(run) for run in re.findall(r"`+", text)) + 1)
    return f"{ticks} {text} {ticks}"


def _without_anchor(line: str) -> str:
    return re.sub(r" \{#[^\s{}]+\}$", "", line)


def _integer(value: str | None) -> int | None:
    return int(value) if value and value.isdigit() and len(value) < 9 else None


def _preformatted(element: Element) -> str:
    """Return code to the letter: line breaks of any kind as newlines, gutters left out."""
    pieces: list[str] = []
    _collect_code(element, pieces, 0)
    text = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    lines = text.split("\n")
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    return "\n".join(lines)


def _collect_code(element: Element, pieces: list[str], depth: int) -> None:
    if element.text:
        pieces.append(element.text)
    for child in element:
        if type(child.tag) is str:
            if child.tag == "br":
                pieces.append("\n")
            elif depth >= _DEEPEST:
                pieces.append("".join(child.itertext("*")))
            elif not (child.attrib and part_of(child) is Part.FURNITURE):
                starts = len(pieces)
                _collect_code(child, pieces, depth + 1)
                if (_is_line(child)) and len(pieces) > starts and not pieces[-1].endswith("\n"):
                    follows = child.tail or ""
                    if not follows.startswith(("\n", "\r")) and child.getnext() is not None:
                        pieces.append("\n")
        if child.tail:
            pieces.append(child.tail)


def _is_line(element: Element) -> bool:
    """Return whether an element inside code stands on a line of its own without a newline saying so."""
    if element.tag in ("div", "p", "li", "tr"):
        return True
    return element.tag == "span" and (
        "token-line" in (element.get("class") or "") or "display:block" in (element.get("style") or "").replace(" ", "")
    )


def _language(element: Element) -> str:
    candidates = [element, *element.iter("code")]
    above = element.getparent()
    for _ in range(6):
        if above is None or above.tag not in _AROUND_CODE:
            break
        candidates.append(above)
        above = above.getparent()
    for candidate in candidates:
        named = candidate.get("data-lang") or candidate.get("data-language") or candidate.get("language")
        language = named or _language_of(candidate.get("class") or "")
        if language:
            language = language.lower()
            return "" if language in _NO_LANGUAGE else _LANGUAGES.get(language, language)
    return ""


@lru_cache(maxsize=1024)
def _language_of(classes: str) -> str:
    return next((match[1] for match in _LANGUAGE.finditer(classes)), "")


def _grid(rows: list[Element]) -> tuple[int, list[list[Element | None]]]:
    """Lay cells out: a cell over several rows stands in each, one over several columns leaves the others empty.

    :returns: how many rows at the top are heads, and the rows
    """
    heads = 0
    grid: list[list[Element | None]] = []
    hanging: dict[int, tuple[int, Element]] = {}
    for row in rows:
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        if not cells and not hanging:
            continue
        if len(grid) == heads and _is_head(row, cells):
            heads += 1
        line: list[Element | None] = []
        for cell in cells:
            while (above := hanging.get(len(line))) is not None:
                line.append(_hang(hanging, len(line), above))
            span = min(_integer(cell.get("rowspan")) or 1, 1000)
            if span > 1:
                hanging[len(line)] = (span - 1, cell)
            line.append(cell)
            line.extend([None] * (min(_integer(cell.get("colspan")) or 1, 50) - 1))
        while (above := hanging.get(len(line))) is not None:
            line.append(_hang(hanging, len(line), above))
        grid.append(line)
    return (heads if heads < len(grid) else 0), grid


def _hang(hanging: dict[int, tuple[int, Element]], column: int, above: tuple[int, Element]) -> Element:
    left, cell = above
    if left > 1:
        hanging[column] = (left - 1, cell)
    else:
        del hanging[column]
    return cell


def _is_head(row: Element, cells: list[Element]) -> bool:
    parent = row.getparent()
    return (parent is not None and parent.tag == "thead") or all(cell.tag == "th" for cell in cells)


def _is_complex(table: Element) -> bool:
    """Return whether a cell holds what does not fit on a line."""
    if table.find(".//table") is not None:
        return True
    return any("\n" in _preformatted(pre) for pre in table.iter("pre"))


def _holds_blocks(cell: Element) -> bool:
    return any(
        child.tag in ("pre", "table", "ul", "ol", "dl", "div", "h2", "h3", "h4")
        for child in cell.iter("*")
        if child is not cell
    )


def _admonition_title(element: Element) -> Element | None:
    """Return what names an admonition: marked as its title, or the heading it begins with."""
    for child in element.iter("*"):
        if child is element:
            continue
        if (
            part_of(child) is Part.ADMONITION_TITLE
            or "title" in (child.get("class") or "").split()
            or child.tag == "summary"
        ):
            return child
        if child.tag in _HEADINGS:
            return child
        if child.tag in ("p", "pre", "ul", "ol", "dl"):
            break
    return None


def _clear(element: Element) -> None:
    tail = element.tail
    element.clear()
    element.tail = tail
    element.tag = "span"
