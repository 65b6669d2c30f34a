"""Tell the content of a page from its boilerplate: navigation, headers, footers, buttons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from itertools import islice

from lxml.etree import _Element as Element

from rag.sources.docs.html import marks
from rag.sources.docs.html.buttons import is_text, names_panel
from rag.sources.docs.html.elements import is_links, text_of
from rag.sources.docs.html.marks import HEADINGS

__all__ = ["HEADINGS", "Part", "is_left_out", "part_of"]


class Part(Enum):
    """The role of an element in a page."""

    CONTENT = auto()
    #: the same on every page of the site: left out
    BOILERPLATE = auto()
    #: not shown until the reader opens it: left out unless a button or a tab of the page opens it
    HIDDEN = auto()
    #: a table of contents of this page or the pages below: left out unless the page consists of nothing else
    CONTENTS = auto()
    #: left out only if most of its text is links
    DOUBTFUL = auto()
    #: a header, kept if it holds a heading
    HEADER = auto()
    #: left out unless the page stands inside it
    FORM = auto()
    ADMONITION = auto()
    ADMONITION_TITLE = auto()
    TAB_LABELS = auto()
    TAB_LABEL = auto()
    TAB_PANEL = auto()
    MATH = auto()
    DELETED = auto()
    #: a heading that is not an h1 to h6
    HEADING = auto()
    #: the title of a block of code
    CAPTION = auto()
    #: code that is not in a pre
    LISTING = auto()
    #: a table that is not a table
    GRID = auto()
    #: shown apart from the text beside it
    CELL = auto()
    #: the numbers of the lines of code
    GUTTER = auto()


def part_of(element: Element) -> Part:
    """Return the role of an element, from its tag, classes, role attribute and id."""
    get = element.get
    tag = element.tag
    hidden, style = get("hidden"), get("style")
    part = _part(
        tag,
        f"{get('class', '')} {get('data-component-part', '')}",
        get("role", ""),
        get("id", ""),
        # What a browser finds and opens when the reader searches the page is content.
        get("aria-hidden") == "true"
        or (hidden is not None and hidden.strip().lower() != "until-found")
        or (style is not None and _is_hidden_message(element, style)),
        (style is not None and "line-through" in style) or (tag == "script" and _is_math(element)),
    )
    if part is Part.CONTENT:
        if tag == "span" and not len(element) and _is_label(element):
            return Part.CELL
        return Part.BOILERPLATE if _is_unselectable_number(element, style or "") else part
    return _looked_into(element, part)


def _is_label(span: Element) -> bool:
    """Return whether a span says something about the word that it touches: that it is required, how it is requested."""
    text = (span.text or "").strip()
    if text not in marks.METHODS and text.lower() not in marks.LABELS:
        return False
    before, after = span.getprevious(), span.getnext()
    left = _beginning(span) if before is None else before.tail or text_of(before)
    right = span.tail or (text_of(after) if after is not None else "")
    touches = left[-1:].isalnum() or right[:1].isalnum() or right[:1] == "/"
    return touches and next(span.iterancestors("code", "pre"), None) is None


def _beginning(first: Element) -> str:
    """Return the text before the first element in another."""
    above = first.getparent()
    return (None if above is None else above.text) or ""


def is_left_out(element: Element) -> bool:
    """Return whether an element inside text or code is no part of it."""
    return part_of(element) in _LEFT_OUT


_LEFT_OUT = frozenset({Part.BOILERPLATE, Part.HIDDEN})


def _is_hidden_message(element: Element, style: str) -> bool:
    """Return whether a style hides a word or a sentence, such as "Copied!" or the key that a table is sorted by.

    Longer text, and text below a heading or a button, is what a script shows to readers who ask for it.
    """
    if not _DISPLAYS_NONE.search(style):
        return False
    before = element.getprevious()
    if element.tag not in ("span", "i", "small") and before is not None and before.tag in _SHOWS_NEXT:
        return False
    holds_more = next(element.iter("pre", "table", "ul", "ol", "dl", "img", "math", *HEADINGS), None) is not None
    return not holds_more and len(text_of(element).split()) < _MAX_MESSAGE


_DISPLAYS_NONE = re.compile(r"(?:^|[;\s])display\s*:\s*none\b", re.IGNORECASE)
_SHOWS_NEXT = HEADINGS | {"a", "button", "dt", "summary", "label", "p"}
_MAX_MESSAGE = 20


def _is_unselectable_number(element: Element, style: str) -> bool:
    """Return whether an element is the number of a line, which a reader cannot copy with the code."""
    if element.tag not in ("span", "td", "div"):
        return False
    if "user-select" not in style and marks.UNSELECTABLE_CLASS.isdisjoint((element.get("class") or "").split()):
        return False
    return text_of(element).strip().isdecimal()


def _is_math(script: Element) -> bool:
    return (script.get("type") or "").lower().startswith("math/")


def _looked_into(element: Element, part: Part) -> Part:
    """Return the role of an element that depends on what is in it or around it."""
    if part is Part.BOILERPLATE:
        return _boilerplate_or_text(element)
    if part is Part.GUTTER:
        return Part.CONTENT if any(map(str.isalpha, text_of(element))) else Part.BOILERPLATE
    if part is Part.FORM:
        return Part.CONTENT if _is_page_form(element) else Part.BOILERPLATE
    if part is Part.HEADING and _is_caption(element):
        return Part.CAPTION
    is_there = _LOOKS.get(part)
    return part if is_there is None or is_there(element) else Part.CONTENT


def _boilerplate_or_text(element: Element) -> Part:
    """Return the role of what attributes call boilerplate: a button, a footer or a section may be text."""
    tag = element.tag
    if tag == "button" and is_text(element):
        return Part.CONTENT
    if tag == "button" and names_panel(element):
        return Part.TAB_LABEL
    if (tag == "a" and _is_linked_text(element)) or (tag == "span" and _is_read_aloud(element)):
        return Part.CONTENT
    if tag in marks.FURNITURE_TAGS | marks.ANCHORED_TAGS and (part := _part_with_permalink(element)):
        return part
    if tag == "textarea" and _shows_code(element):
        return Part.LISTING
    above = element.getparent()
    if tag == "footer" and above is not None and above.tag in ("blockquote", "figure"):
        return Part.CONTENT
    if tag in ("ul", "ol") and _is_left_out_for_id(element):
        return Part.DOUBTFUL
    return Part.DOUBTFUL if _is_named_by_its_subject(element) else Part.BOILERPLATE


def _is_read_aloud(element: Element) -> bool:
    """Return whether text for screen readers alone stands for text beside it that is for the eye alone."""
    before = element.getprevious()
    if before is None or before.get("aria-hidden") != "true" or (before.tail or "").strip():
        return False
    return any(map(str.isalnum, text_of(before))) and any(map(str.isalnum, text_of(element)))


def _shows_code(area: Element) -> bool:
    """Return whether a text area shows code instead of asking for text, as the examples of Go's packages do."""
    classes = (area.get("class") or "").lower()
    return ("readonly" in area.attrib or "code" in classes) and "\n" in text_of(area).strip("\n")


def _is_linked_text(link: Element) -> bool:
    """Return whether a link that has the class of a permalink is the text itself: code, or all of a heading or term."""
    if marks.PERMALINKS.isdisjoint((link.get("class") or "").split()):
        return False
    if next(link.iter("code"), None) is not None:
        return True
    if not any(map(str.isalnum, text_of(link))):
        return False
    for above in link.iterancestors():
        if above.tag in HEADINGS or above.tag == "dt":
            is_one_of_many = next(islice(above.iter("a"), _MAX_LINKS, None), None) is not None
            return not is_one_of_many and _letters(text_of(above)) == _letters(text_of(link))
    return False


#: A heading with more links is not the text of one of them.
_MAX_LINKS = 4


def _is_left_out_for_id(element: Element) -> bool:
    part = _part(element.tag, element.get("class") or "", element.get("role") or "", "", False, False)
    return part is not Part.BOILERPLATE and "aria-hidden" not in element.attrib


def _part_with_permalink(element: Element) -> Part | None:
    """Return the role of a box or heading that has the class of a permalink because links lead to it, as in rdoc.

    None if it has no such class, or holds nothing but links.
    """
    classes = (element.get("class") or "").lower().split()
    others = [name for name in classes if name not in marks.PERMALINKS]
    if others == classes or is_links(element):
        return None
    return _part(element.tag, " ".join(others), element.get("role") or "", element.get("id") or "", False, False)


def _is_named_by_its_subject(element: Element) -> bool:
    """Return whether an element is left out for its id, or a common word, although a heading of that name begins it."""
    identifier, classes = (element.get("id") or "").lower(), (element.get("class") or "").lower().split()
    words = [identifier] if identifier in marks.DROPPED_IDS else []
    if element.tag == "section":
        words += [name for name in classes if name in marks.COMMON_CLASSES]
    if element.tag not in ("section", "div", "article") or not words:
        return False
    others = " ".join(name for name in classes if name not in words)
    if _part(element.tag, others, element.get("role") or "", "", False, False) is Part.BOILERPLATE:
        return False
    heading = next(element.iter(*HEADINGS), None)
    if heading is None:
        return False
    if element.tag == "section" and identifier in words:
        return True
    name = _letters(text_of(heading)).lstrip("0123456789")
    return any(name.startswith(_letters(word)) for word in words)


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _holds_labels(element: Element) -> bool:
    """Return whether a box that may hold the labels of tabs holds their panels instead, or is no box of tabs at all."""
    if element.get("role") == "tablist" or not {"tab", "tabs"} & set((element.get("class") or "").lower().split()):
        return True
    children = [child.tag for child in element if type(child.tag) is str]
    if children == ["ul"] and (following := element.getnext()) is not None:
        return any(marks.TAB_PANEL_CLASS & set((panel.get("class") or "").split()) for panel in following)
    return bool(children) and marks.TAB_TAGS.issuperset(children) and element.find(".//pre") is None


def _is_page_form(form: Element) -> bool:
    """Return whether a form stands around a page, as ASP.NET writes it, instead of asking for something."""
    if next(form.iter("main", "article", "h1", "pre", "dl"), None) is not None:
        return True
    asks = any((field.get("type") or "").lower() not in _NO_FIELDS for field in form.iter("textarea", "input"))
    paragraphs = sum(1 for _ in islice(form.iter("p", "li", "td"), _MANY_PARAGRAPHS))
    has_heading = next(form.iter(*HEADINGS), None) is not None
    return (has_heading and not asks) or paragraphs >= (3 if has_heading else _MANY_PARAGRAPHS)


#: Types of inputs that ask for nothing.
_NO_FIELDS = frozenset({"hidden", "submit", "button", "image", "reset"})
#: A form with so many is text even without a heading.
_MANY_PARAGRAPHS = 4


def _is_title(element: Element) -> bool:
    above = element.getparent()
    return element.get("role") == "heading" or (above is not None and "headertitle" in (above.get("class") or ""))


def _is_caption(element: Element) -> bool:
    above = element.getparent()
    return above is not None and not marks.CAPTIONED_CLASSES.isdisjoint((above.get("class") or "").split())


def _is_code_alone(element: Element) -> bool:
    return next(element.iterdescendants("pre"), None) is None


def _is_contents(element: Element) -> bool:
    """Return whether a box is a table of contents: a class says so, or its id does and its items are links."""
    if element.get("id") != "toc" or not marks.CONTENTS_CLASSES.isdisjoint((element.get("class") or "").split()):
        return True
    items = next(element.iter("ul", "ol"), None)
    return items is not None and is_links(items)


def _is_doubtful(element: Element) -> bool:
    """Return whether a box may be a menu; the class that Doxygen gives its menu means something else elsewhere."""
    if element.get("class") == "header":
        return any((link.get("rel") or "").lower() in _STEPS for link in islice(element.iter("a"), _MAX_STEPS))
    above = element.getparent()
    return element.get("class") != "summary" or (above is not None and above.get("class") == "header")


#: Classes of the menus of Doxygen and Texinfo, which mean other things elsewhere.
_HEADERS = frozenset({frozenset({"summary"}), frozenset({"header"})})
#: The relations of Texinfo's links to the pages around a page.
_STEPS = frozenset({"next", "prev", "previous", "up", "contents", "index"})
_MAX_STEPS = 8


_LOOKS: Mapping[Part, Callable[[Element], bool]] = {
    Part.TAB_LABELS: _holds_labels,
    Part.HEADING: _is_title,
    Part.LISTING: _is_code_alone,
    Part.DOUBTFUL: _is_doubtful,
    Part.CONTENTS: _is_contents,
}


@lru_cache(maxsize=8192)
def _part(tag: str, classes: str, role: str, identifier: str, hidden: bool, is_marked: bool) -> Part:
    """Return the role that attributes say; `is_marked`: a script of a formula, else an element struck through."""
    names = frozenset(classes.lower().split())
    role = role.lower()
    if part := _tab_part(tag, names, role):
        return part
    if tag == "math" or (tag == "script" and is_marked) or names & marks.MATH_CLASS or "katex-mathml" in names:
        return Part.MATH
    if names & marks.CONTENTS_CLASSES or (tag == "nav" and "contents" in names) or {"contents", "topic"} <= names:
        return Part.CONTENTS
    if tag in marks.DROPPED_TAGS or tag == "script" or role in marks.DROPPED_ROLES or names & marks.DROPPED_CLASSES:
        return Part.BOILERPLATE
    if names & marks.COMMON_CLASSES and tag not in marks.TEXT_TAGS:
        return Part.BOILERPLATE
    if (identifier.lower() in marks.DROPPED_IDS or names & marks.FURNITURE_CLASSES) and _is_furniture(tag, names):
        return Part.BOILERPLATE
    if tag == "form":
        return Part.FORM
    if tag == "ol" and any(map(marks.CODE_LIST_CLASS.match, names)):
        return Part.LISTING
    if any(map(marks.GUTTER_CLASS.match, names)):
        return Part.GUTTER
    if any(word.startswith(("tocdesktop", "tocmobile", "copybutton", "buttongroup")) for word in names):
        return Part.BOILERPLATE
    if hidden and tag not in ("a", "body", "html"):
        return Part.HIDDEN
    if tag == "a" and "src" in names:  # rustdoc's links to the source
        return Part.BOILERPLATE
    return _content_part(tag, names, role, identifier, is_deleted=is_marked)


def _tab_part(tag: str, names: frozenset[str], role: str) -> Part | None:
    if role == "tablist" or names & marks.TAB_LABELS_CLASS:
        return Part.TAB_LABELS
    if role == "tab" or "sd-tab-label" in names or tag in ("sl-tab", "md-tab"):
        return Part.TAB_LABEL
    if role == "tabpanel" or names & marks.TAB_PANEL_CLASS or tag.endswith("tab-panel"):
        return Part.TAB_PANEL
    if tag in ("div", "ul", "ol") and names & {"tab", "tabs"}:
        return Part.TAB_LABELS
    return None


def _content_part(tag: str, names: frozenset[str], role: str, identifier: str, *, is_deleted: bool) -> Part:
    if any(marks.ADMONITION_TITLE_CLASS.match(word) or word.startswith("admonitionheading_") for word in names):
        return Part.ADMONITION_TITLE
    if tag in marks.BOX_TAGS and (any(map(marks.ADMONITION_CLASS.match, names)) or role == "note"):
        return Part.ADMONITION
    if is_deleted or (tag in ("span", "div", "p") and names & marks.DELETED_CLASS):
        return Part.DELETED
    if tag == "header" or (identifier == "header" and tag == "div"):
        return Part.HEADER
    if role == "heading" or (tag == "div" and "title" in names):
        return Part.HEADING
    if "code-block-caption" in names:
        return Part.CAPTION
    if tag in ("div", "figure") and names & marks.LISTING_CLASS:
        return Part.LISTING
    if (role in marks.GRID_ROLES and tag != "table") or "summary-table" in names:
        return Part.GRID
    if tag == "code" and "tsd-tag" in names:
        return Part.CELL
    if tag in ("span", "a", "label") and (role in marks.CELL_ROLES or any(map(marks.BADGE_CLASS.match, names))):
        return Part.CELL
    if identifier == "toc" and tag in ("div", "details", "aside"):
        return Part.CONTENTS
    if names & marks.DOUBTFUL_CLASSES or tag == "aside" or (tag == "div" and names in _HEADERS):
        return Part.DOUBTFUL
    return Part.CONTENT


def _is_furniture(tag: str, names: frozenset[str]) -> bool:
    return tag in marks.FURNITURE_TAGS and not any(map(marks.SECTION_CLASS.match, names))
