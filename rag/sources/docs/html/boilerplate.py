"""Tell the content of a page from its boilerplate: navigation, headers, footers, buttons.

Documentation generators mark both with class names, roles and ids; those that they share are listed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from itertools import islice

from lxml.etree import _Element as Element

from rag.sources.names import names

__all__ = ["HEADINGS", "Part", "is_left_out", "is_links", "part_of", "text_of"]

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


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
    #: code that is not in a pre
    LISTING = auto()
    #: a table that is not a table
    GRID = auto()
    #: shown apart from the text beside it
    CELL = auto()
    #: the numbers of the lines of code
    GUTTER = auto()


_DROPPED_TAGS = names(
    "style noscript template svg nav footer iframe object embed canvas audio video select input textarea "
    "button dialog head link meta title map"
)
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "menu", "menubar", "toolbar"})
_DROPPED_CLASSES = names(
    # DocBook, Sphinx and its themes
    "navheader navfooter sphinxsidebar sphinxsidebarwrapper headerlink viewcode-link viewcode-back linenos "
    "lineno linenodiv rst-footer-buttons wy-breadcrumbs rst-versions prev-next-area prev-next-footer bd-sidebar "
    "bd-sidebar-primary bd-sidebar-secondary bd-header bd-footer bd-toc toc-drawer sidebar-drawer back-to-top "
    "related-pages bottom-of-page "
    # MkDocs Material, Docusaurus, VitePress, Starlight, mdBook, GitBook, Mintlify, Hugo themes
    "md-sidebar md-header md-footer md-search md-source-file md-content__button md-feedback md-tags md-clipboard "
    "md-code__nav md-annotation__index md-skip "
    "theme-doc-footer theme-doc-breadcrumbs theme-doc-toc-mobile theme-doc-toc-desktop theme-doc-version-banner "
    "theme-doc-version-badge theme-edit-this-page theme-last-updated pagination-nav hash-link table-of-contents "
    "header-anchor vpdocfooter vpdocaside vp-doc-footer "
    "sl-anchor-link right-sidebar nav-chapters nav-wrapper mobile-nav-chapters "
    "feedback-toolbar eyebrow step-number page-meta td-page-meta td-sidebar td-toc td-search feedback--title "
    # hidden lines in code of mdBook, the path above a page of rustdoc
    "boring rustdoc-breadcrumbs hideme "
    # the tooltips of Doxygen's code and the path above its titles, Apache's list of languages, TypeDoc's links,
    # the version behind ExDoc's titles
    "ttc ingroups toplang bottomlang tsd-breadcrumb tsd-anchor-icon tsd-generator app-vsn "
    # any generator
    "breadcrumb breadcrumbs pagination pager prevnext prev-next page-nav page-navigation site-nav site-header "
    "site-footer navbar topbar toolbar edit-page edit-this-page edit-link edit-page-link editlink "
    "last-updated lastupdated last-modified skip-link skip-to-content skip-nav skiplink sr-only visually-hidden "
    "screen-reader-text copybtn "
    "copy-button btn-copy copy-code-button clipboard anchor-link anchorjs-link heading-anchor headeranchor permalink "
    "cookie-banner cookie-consent announcement announcement-bar feedback page-feedback was-this-helpful share-buttons "
    "social-share newsletter advertisement carbonads nosearch tagline"
)
_CONTENTS_CLASSES = names(
    "toc local-toc page-toc toctree-wrapper-mobile tocwrapper md-toc tableofcontents on-this-page minitoc"
)
_DOUBTFUL_CLASSES = names("sidebar menu nav navigation side-nav sidenav links")
#: Ids of furniture. An id on a heading, a section or a paragraph says what it is about instead.
_DROPPED_IDS = names(
    "navbar sidebar site-header site-footer footer breadcrumbs breadcrumb pagination toc-container table-of-contents "
    "feedback cookie-banner skip-to-content searchbox copy-path titlearea side-nav nav-path nav-tree main-nav "
    "msearchselectwindow msearchresultswindow"
)
_FURNITURE_TAGS = frozenset({"div", "section", "ul", "ol", "aside", "header", "center"})
#: Classes of furniture that are common words, and say so on boxes only.
_FURNITURE_CLASSES = frozenset({"footer", "related"})
#: Classes of the boxes that markup processors put around a section or a block of the text.
_SECTION_CLASS = re.compile(r"^(?:section|level\d|(?:ref)?sect\d|refsection|paragraph|\w+block|[uod]list)$")
_ADMONITION_CLASS = re.compile(
    r"^(?:admonition|theme-admonition|callout|nextra-callout|alert|custom-block|starlight-aside|markdown-alert|"
    r"mdbook-alerts|admonitionblock|confluence-information-macro|notecard|hint|hint-container|sidebarbox|"
    r"note|tip|warning|caution|important|danger)$"
)
_ADMONITION_TITLE_CLASS = re.compile(
    r"^(?:admonition-title|custom-block-title|hint-container-title|starlight-aside__title|markdown-alert-title|"
    r"mdbook-alerts-title|callout-title|callout-heading|alert-heading|alert-title|note__title|note-title|"
    r"admonitionheading\w*)$"
)
_ADMONITION_TAGS = frozenset({"div", "aside", "blockquote", "details", "section", "table", "p"})
#: Classes that are common words, and mark a note only on a box.
_BOX_TAGS = frozenset({"div", "aside", "blockquote", "details", "section"})
_TAB_LABELS_CLASS = names(
    "tabbed-labels tab-labels nav-tabs sphinx-tabs-tablist tablist tab-list tabs-list tabs-nav tab-nav vp-tabs-nav "
    "code-group__nav mdbook-tabs react-tabs__tab-list codetabs-toolbar tabs-header tab-header tab-buttons tab-bar "
    "tabs__nav tabs__header tabs-bar tabbar"
)
_TAB_PANEL_CLASS = names(
    "tabbed-block tab-pane tab-panel tabpanel tabs-panel tabcontent sd-tab-content sphinx-tabs-panel code-group-item "
    "vp-tab mdbook-tab-content book-tabs-content react-tabs__tab-panel docsify-tabs__content tabs__panel tabs__pane"
)
_TAB_TAGS = frozenset({"input", "label", "button", "a", "li", "script", "style"})
_DELETED_CLASS = names("strike strikethrough line-through deleted del")
_LISTING_CLASS = names("fragment syntaxhighlighter codemirror ace_editor")
_GUTTER_CLASS = re.compile(
    r"^(?:ln|lnt|lntd|gl|line-?nu?m(?:ber)?s?(?:-rows|-wrapper)?|line_nu?m(?:ber)?s?|code-?line-?number\w*|(?:rouge-)?gutter|"
    r"linenumber\w*|hljs-ln-(?:numbers|n|line)|react-syntax-highlighter-line-number|blob-num|crayon-nums?|"
    r"crayon-nums-content|line-number\w*|linecount|cm-gutters?|codemirror-gutters?|codemirror-linenumber|rownum)$"
)
_CELL_ROLES = frozenset({"cell", "gridcell", "columnheader", "rowheader", "row", "listitem", "option", "treeitem"})
_GRID_ROLES = frozenset({"table", "grid", "treegrid"})
_MATH_CLASS = names("katex katex-display mjx-chtml mathjax mathjax_display mathjax_preview mwe-math-element")


def text_of(element: Element) -> str:
    """Return the text of an element and everything inside it."""
    return "".join(element.itertext())


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
        get("aria-hidden") == "true" or (hidden is not None and hidden.strip().lower() != "until-found"),
        (style is not None and "line-through" in style) or (tag == "script" and _is_math(element)),
    )
    return part if part is Part.CONTENT else _looked_into(element, part)


def is_left_out(element: Element) -> bool:
    """Return whether an element inside text or code is no part of it."""
    return part_of(element) in _LEFT_OUT


_LEFT_OUT = frozenset({Part.BOILERPLATE, Part.HIDDEN})


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
    is_there = _LOOKS.get(part)
    return part if is_there is None or is_there(element) else Part.CONTENT


def _boilerplate_or_text(element: Element) -> Part:
    """Return the role of what attributes call boilerplate: a button, a footer or a section may be text."""
    if element.tag == "button" and (_is_in_sentence(element) or _is_all_of_heading(element)):
        return Part.CONTENT
    above = element.getparent()
    if element.tag == "footer" and above is not None and above.tag in ("blockquote", "figure"):
        return Part.CONTENT
    return Part.DOUBTFUL if _is_named_by_id(element) else Part.BOILERPLATE


def _is_in_sentence(element: Element) -> bool:
    """Return whether text precedes and follows an element, as around a word with a tooltip."""
    before = element.getprevious()
    text = before.tail if before is not None else element.getparent().text if element.getparent() is not None else ""
    return bool((text or "").strip() and (element.tail or "").strip())


def _is_all_of_heading(button: Element) -> bool:
    """Return whether a button is the text of a heading, a summary or a term, or holds a heading."""
    if any(inner.tag in HEADINGS for inner in button.iter(*HEADINGS)):
        return True
    for above in button.iterancestors():
        if above.tag in HEADINGS or above.tag in ("summary", "dt"):
            if next(islice(above.iter("button"), _MAX_BUTTONS, None), None) is not None:
                return False
            whole, own = "".join(text_of(above).split()), "".join(text_of(button).split())
            return len(own) >= _MOST * len(whole)
    return False


#: The share of a heading's text in a button that makes the button its text; the rest is an icon.
_MOST = 0.8
_MAX_BUTTONS = 4


def _is_named_by_id(element: Element) -> bool:
    """Return whether an element is left out for its id alone, although a heading of the same name begins it."""
    identifier = element.get("id") or ""
    if element.tag not in ("section", "div", "article") or identifier.lower() not in _DROPPED_IDS:
        return False
    if _part(element.tag, element.get("class") or "", element.get("role") or "", "", False, False) is Part.BOILERPLATE:
        return False
    heading = next(element.iter(*HEADINGS), None)
    if heading is None:
        return False
    return element.tag == "section" or _letters(text_of(heading)).startswith(_letters(identifier))


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _holds_labels(element: Element) -> bool:
    """Return whether a box that may hold the labels of tabs holds their panels instead, or is no box of tabs at all."""
    if element.get("role") == "tablist" or not {"tab", "tabs"} & set((element.get("class") or "").lower().split()):
        return True
    children = [child.tag for child in element if type(child.tag) is str]
    return bool(children) and _TAB_TAGS.issuperset(children) and element.find(".//pre") is None


def _is_page_form(form: Element) -> bool:
    """Return whether a form stands around a page, as ASP.NET writes it, instead of asking for something."""
    if next(form.iter("main", "article", "h1", "pre", "dl"), None) is not None:
        return True
    asks = next(form.iter("textarea", "input"), None) is not None
    paragraphs = sum(1 for _ in form.iter("p", "li"))
    return next(form.iter(*HEADINGS), None) is not None and (paragraphs > 2 or not asks)


def _is_title(element: Element) -> bool:
    above = element.getparent()
    return element.get("role") == "heading" or (above is not None and "headertitle" in (above.get("class") or ""))


def _is_code_alone(element: Element) -> bool:
    return next(element.iterdescendants("pre"), None) is None


def _is_doubtful(element: Element) -> bool:
    """Return whether a box may be a menu; the class that Doxygen gives its menu means something else elsewhere."""
    above = element.getparent()
    return element.get("class") != "summary" or (above is not None and above.get("class") == "header")


_LOOKS: Mapping[Part, Callable[[Element], bool]] = {
    Part.TAB_LABELS: _holds_labels,
    Part.HEADING: _is_title,
    Part.LISTING: _is_code_alone,
    Part.DOUBTFUL: _is_doubtful,
}


@lru_cache(maxsize=8192)
def _part(tag: str, classes: str, role: str, identifier: str, hidden: bool, is_marked: bool) -> Part:
    """Return the role that attributes say; `is_marked`: a script of a formula, else an element struck through."""
    names = frozenset(classes.lower().split())
    role = role.lower()
    if part := _tab_part(tag, names, role):
        return part
    if tag == "math" or (tag == "script" and is_marked) or names & _MATH_CLASS or "katex-mathml" in names:
        return Part.MATH
    if names & _CONTENTS_CLASSES or (tag == "nav" and "contents" in names) or {"contents", "topic"} <= names:
        return Part.CONTENTS
    if tag in _DROPPED_TAGS or tag == "script" or role in _DROPPED_ROLES or names & _DROPPED_CLASSES:
        return Part.BOILERPLATE
    if (identifier.lower() in _DROPPED_IDS or names & _FURNITURE_CLASSES) and _is_furniture(tag, names):
        return Part.BOILERPLATE
    if tag == "form":
        return Part.FORM
    if any(map(_GUTTER_CLASS.match, names)):
        return Part.GUTTER
    if any(word.startswith(("tocdesktop", "tocmobile", "copybutton", "buttongroup")) for word in names):
        return Part.BOILERPLATE
    if hidden and tag not in ("a", "body", "html"):
        return Part.HIDDEN
    if tag == "a" and "src" in names:  # rustdoc's links to the source
        return Part.BOILERPLATE
    return _content_part(tag, names, role, identifier, is_deleted=is_marked)


def _tab_part(tag: str, names: frozenset[str], role: str) -> Part | None:
    if role == "tablist" or names & _TAB_LABELS_CLASS:
        return Part.TAB_LABELS
    if role == "tab" or "sd-tab-label" in names or tag in ("sl-tab", "md-tab"):
        return Part.TAB_LABEL
    if role == "tabpanel" or names & _TAB_PANEL_CLASS or tag.endswith("tab-panel"):
        return Part.TAB_PANEL
    if tag in ("div", "ul", "ol") and names & {"tab", "tabs"}:
        return Part.TAB_LABELS
    return None


def _content_part(tag: str, names: frozenset[str], role: str, identifier: str, *, is_deleted: bool) -> Part:
    if any(_ADMONITION_TITLE_CLASS.match(word) or word.startswith("admonitionheading_") for word in names):
        return Part.ADMONITION_TITLE
    if tag in _BOX_TAGS and (any(map(_ADMONITION_CLASS.match, names)) or role == "note"):
        return Part.ADMONITION
    if is_deleted or (tag in ("span", "div", "p") and names & _DELETED_CLASS):
        return Part.DELETED
    if tag == "header" or (identifier == "header" and tag == "div"):
        return Part.HEADER
    if role == "heading" or (tag == "div" and "title" in names):
        return Part.HEADING
    if tag in ("div", "figure") and names & _LISTING_CLASS:
        return Part.LISTING
    if (role in _GRID_ROLES and tag != "table") or "summary-table" in names:
        return Part.GRID
    if role in _CELL_ROLES and tag in ("span", "a", "label"):
        return Part.CELL
    if names & _DOUBTFUL_CLASSES or tag == "aside" or (tag == "div" and names == {"summary"}):
        return Part.DOUBTFUL
    return Part.CONTENT


def _is_furniture(tag: str, names: frozenset[str]) -> bool:
    return tag in _FURNITURE_TAGS and not any(map(_SECTION_CLASS.match, names))


def is_links(element: Element) -> bool:
    """Return whether links make up most of an element's text."""
    total = len("".join(text_of(element).split()))
    linked = sum(len("".join(text_of(link).split())) for link in element.iter("a"))
    return total == 0 or linked / total > 0.6
