"""Tell the content of a page from its boilerplate: navigation, headers, footers, buttons.

Documentation generators mark both with class names, roles and ids; those that they share are listed here.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache

from lxml.etree import _Element as Element

from rag.sources.names import names

__all__ = ["Part", "drop_menus", "find_main", "is_links", "part_of", "text_of"]


class Part(Enum):
    """The role of an element in a page."""

    CONTENT = auto()
    #: the same on every page of the site: left out
    BOILERPLATE = auto()
    #: a table of contents of this page or the pages below: left out unless the page consists of nothing else
    CONTENTS = auto()
    #: left out only if most of its text is links
    DOUBTFUL = auto()
    #: a header, kept if it holds the page's heading
    HEADER = auto()
    ADMONITION = auto()
    ADMONITION_TITLE = auto()
    TAB_LABELS = auto()
    TAB_LABEL = auto()
    TAB_PANEL = auto()
    MATH = auto()


_DROPPED_TAGS = names(
    "script style noscript template svg nav footer form iframe object embed canvas audio video select input textarea "
    "button dialog head link meta title map"
)
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "menu", "menubar", "toolbar"})
_DROPPED_CLASSES = names(
    # DocBook, Sphinx and its themes
    "navheader navfooter related sphinxsidebar sphinxsidebarwrapper headerlink viewcode-link viewcode-back linenos "
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
_DROPPED_IDS = names(
    "navbar sidebar site-header site-footer footer breadcrumbs breadcrumb pagination toc-container table-of-contents "
    "feedback cookie-banner skip-to-content searchbox copy-path"
)
_ADMONITION_CLASS = re.compile(
    r"^(?:admonition|theme-admonition|callout|alert|custom-block|starlight-aside|markdown-alert|admonitionblock|"
    r"hint|sidebarbox|note|tip|warning|caution|important|danger)$"
)
_ADMONITION_TITLE_CLASS = re.compile(
    r"^(?:admonition-title|custom-block-title|starlight-aside__title|markdown-alert-title|callout-title|alert-heading|"
    r"admonitionheading\w*)$"
)
_TAB_LABELS_CLASS = frozenset({"tabbed-labels", "tab-labels", "nav-tabs", "sphinx-tabs-tablist"})
_TAB_PANEL_CLASS = frozenset(
    {"tabbed-block", "tab-pane", "tab-panel", "tabcontent", "sd-tab-content", "sphinx-tabs-panel"}
)


def text_of(element: Element) -> str:
    """Return the text of an element and everything inside it."""
    return "".join(element.itertext())


def part_of(element: Element) -> Part:
    """Return the role of an element, from its tag, classes, role attribute and id."""
    get = element.get
    if element.tag == "button" and _is_in_sentence(element):
        return Part.CONTENT
    return _part(
        element.tag,
        f"{get('class', '')} {get('data-component-part', '')}",
        get("role", ""),
        get("id", ""),
        get("aria-hidden") == "true" or "hidden" in element.attrib,
    )


def _is_in_sentence(element: Element) -> bool:
    """Return whether text precedes and follows an element, as around a word with a tooltip."""
    before = element.getprevious()
    text = before.tail if before is not None else element.getparent().text if element.getparent() is not None else ""
    return bool((text or "").strip() and (element.tail or "").strip())


@lru_cache(maxsize=8192)
def _part(tag: str, classes: str, role: str, identifier: str, hidden: bool) -> Part:
    names = frozenset(classes.lower().split())
    role = role.lower()
    if role == "tablist" or names & _TAB_LABELS_CLASS:
        return Part.TAB_LABELS
    if role == "tab" or "sd-tab-label" in names:
        return Part.TAB_LABEL
    if role == "tabpanel" or names & _TAB_PANEL_CLASS:
        return Part.TAB_PANEL
    if "katex-mathml" in names or tag == "math":
        return Part.MATH
    if names & _CONTENTS_CLASSES or (tag == "nav" and "contents" in names) or {"contents", "topic"} <= names:
        return Part.CONTENTS
    if tag in _DROPPED_TAGS or role in _DROPPED_ROLES or names & _DROPPED_CLASSES or identifier.lower() in _DROPPED_IDS:
        return Part.BOILERPLATE
    if any(word.startswith(("katex-html", "tocdesktop", "tocmobile", "copybutton", "buttongroup")) for word in names):
        return Part.BOILERPLATE
    if hidden and tag not in ("a", "body", "html"):
        return Part.BOILERPLATE
    if tag == "a" and "src" in names:  # rustdoc's links to the source
        return Part.BOILERPLATE
    if any(_ADMONITION_TITLE_CLASS.match(word) or word.startswith("admonitionheading_") for word in names):
        return Part.ADMONITION_TITLE
    if tag in ("div", "aside", "blockquote", "details", "section") and any(map(_ADMONITION_CLASS.match, names)):
        return Part.ADMONITION
    if tag == "header" or identifier == "header":
        return Part.HEADER
    if names & _DOUBTFUL_CLASSES or tag == "aside":
        return Part.DOUBTFUL
    return Part.CONTENT


_MAIN_CLASSES = names(
    "md-content__inner theme-doc-markdown vp-doc markdown-body td-content devsite-article-body sl-markdown-content "
    "mdx-content doc-content"
)
_MAIN_IDS = frozenset({"content", "main-content", "maincontent", "main", "docs-content", "bodycolumn"})
_RANKS = 7
#: The rank of docutils' outermost section, which some themes give no other mark.
_SECTION = 5
_SHORT_LINK = 25


def find_main(body: Element) -> Element:
    """Return the smallest element that holds all content of the page, by the marks of common generators."""
    found: list[list[Element]] = [[] for _ in range(_RANKS)]
    for element in body.iter("article", "main", "div", "section"):
        rank = _rank(element.tag, element.get("class", ""), element.get("role", ""), element.get("id", ""))
        rank = 1 if element.get("itemprop") == "articleBody" else rank
        if rank == _SECTION and any(_is_section(above) for above in element.iterancestors("div", "section")):
            continue
        if rank < _RANKS:
            found[rank].append(element)
    for candidates in found:
        if len(candidates) == 1 or (candidates and candidates[0].tag == "main"):
            return candidates[0]
    return body


@lru_cache(maxsize=4096)
def _rank(tag: str, classes: str, role: str, identifier: str) -> int:
    names = frozenset(classes.lower().split())
    if identifier == "content-area":
        return 0
    if names & _MAIN_CLASSES:
        return 1
    if role == "main":
        return 2
    if tag == "article":
        return 3
    if tag == "main":
        return 4
    if tag == "div" and "section" in names:
        return _SECTION
    if identifier.lower() in _MAIN_IDS:
        return 6
    return _RANKS


def _is_section(element: Element) -> bool:
    return "section" in (element.get("class") or "").split()


def is_links(element: Element) -> bool:
    """Return whether links make up most of an element's text."""
    total = len("".join(text_of(element).split()))
    linked = sum(len("".join(text_of(link).split())) for link in element.iter("a"))
    return total == 0 or linked / total > 0.6


def drop_menus(body: Element) -> None:
    """Remove menus, runs of short links before the first heading, from a page whose generator marks nothing."""
    menus = []
    for element in body.iter("h1", "h2", "h3", "div", "ul", "table", "p", "center"):
        if element.tag in ("h1", "h2", "h3"):
            break
        links = element.findall(".//a")
        if len(links) < 3 or element.find(".//h1") is not None or element.find(".//h2") is not None:
            continue
        if sum(len(text_of(link)) for link in links) < _SHORT_LINK * len(links) and is_links(element):
            menus.append(element)
    for menu in menus:
        _drop(menu)


def _drop(element: Element) -> None:
    """Remove an element from the tree; the text that follows it stays."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if before is not None:
        before.tail = (before.tail or "") + (element.tail or "")
    else:
        parent.text = (parent.text or "") + (element.tail or "")
    parent.remove(element)
