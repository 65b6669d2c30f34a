"""The class names, ids, roles and tags by which documentation generators mark content and boilerplate."""

from __future__ import annotations

import re

from rag.sources.names import names

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
DROPPED_TAGS = names(
    "style noscript template svg nav footer iframe object embed canvas audio video select input textarea "
    "button dialog head link meta title map"
)
DROPPED_ROLES = names("navigation banner contentinfo search dialog menu menubar toolbar doc-pageheader doc-pagefooter")
DROPPED_CLASSES = names(
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
    "boring rustdoc-breadcrumbs hideme menu-bar menu-title "
    # the tools of rustdoc, gi-docgen, Haddock and MediaWiki; the head and foot of mandoc's pages
    "srclink test-arrow collapse-toggle notable-traits logo-container sub-logo-container sidebar-logo mobile-topbar "
    "selflink "
    "mw-editsection mw-cite-backlink head-ltitle head-vol head-rtitle foot-date foot-os foot-left foot-right "
    # the tooltips of Doxygen's code and the path above its titles, Apache's list of languages, TypeDoc's links,
    # the version behind ExDoc's titles
    "ttc ingroups toplang bottomlang tsd-breadcrumb tsd-anchor-icon tsd-generator app-vsn "
    # the navigation of Javadoc before 9, phpDocumentor's and Texinfo's; MediaWiki's links for scripts and its foot;
    # the title that Jupyter Book prints
    "topnav subnav bottomnav navlist subnavlist legalcopy phpdocumentor-search-results nav-panel "
    "mw-jump-link printfooter catlinks onlyprint "
    # the tools of pdoc, Slate and man7.org, the author of a page of Confluence
    "view-source-button lang-selector top-link page-metadata "
    # any generator
    "prevnext prev-next page-nav page-navigation site-nav site-header "
    "site-footer edit-page edit-this-page edit-link edit-page-link editlink "
    "last-updated lastupdated last-modified skip-link skip-to-content skip-nav skiplink sr-only visually-hidden "
    "screen-reader-text copybtn "
    "copy-button btn-copy copy-code-button clipboard anchor-link anchorjs-link heading-anchor headeranchor permalink "
    "cookie-banner cookie-consent announcement-bar page-feedback was-this-helpful share-buttons "
    "social-share carbonads nosearch"
)
#: Classes of furniture that are words of its subject as well.
COMMON_CLASSES = names(
    "breadcrumb breadcrumbs pagination pager navbar topbar toolbar announcement feedback newsletter advertisement "
    "tagline"
)
#: Elements that links lead to, which some generators mark with the class of such a link.
ANCHORED_TAGS = HEADINGS | names("main article p li dl dt dd table")
#: Elements that a common word says something about, instead of calling them furniture.
TEXT_TAGS = HEADINGS | names("code kbd samp var tt pre dt dd td th tr table")
#: Classes of the link beside a heading, which some generators put around the text of the heading.
PERMALINKS = names(
    "headerlink hash-link header-anchor sl-anchor-link anchor-link anchorjs-link heading-anchor headeranchor permalink"
)
CONTENTS_CLASSES = names(
    "toc local-toc page-toc toctree-wrapper-mobile tocwrapper md-toc tableofcontents on-this-page minitoc"
)
DOUBTFUL_CLASSES = names("sidebar menu nav navigation side-nav sidenav links")
#: Ids of furniture. An id on a heading, a section or a paragraph says what it is about instead.
DROPPED_IDS = names(
    "navbar sidebar site-header site-footer footer breadcrumbs breadcrumb pagination toc-container table-of-contents "
    "feedback cookie-banner skip-to-content searchbox copy-path titlearea side-nav nav-path nav-tree main-nav "
    "msearchselectwindow msearchresultswindow sitenotice sitesub jump-to-nav mw-navigation"
)
FURNITURE_TAGS = frozenset({"div", "section", "ul", "ol", "aside", "header", "center", "address"})
#: Classes of furniture that are common words, and say so on boxes only.
FURNITURE_CLASSES = frozenset({"footer", "related"})
#: Classes of the boxes that markup processors put around a section or a block of the text.
SECTION_CLASS = re.compile(
    r"^(?:(?:sub)*(?:section|chapter|heading)(?:-level-extent)?|(?:appendix|unnumbered)\w*(?:-level-extent)?|level\d|"
    r"(?:ref)?sect\d|refsection|sectionbody|paragraph|\w+block|[uod]list)$"
)
ADMONITION_CLASS = re.compile(
    r"^(?:admonition|theme-admonition|callout|nextra-callout|alert|custom-block|starlight-aside|markdown-alert|"
    r"mdbook-alerts|admonitionblock|confluence-information-macro|notecard|hint|hint-container|sidebarbox|"
    r"note|tip|warning|caution|important|danger)$"
)
ADMONITION_TITLE_CLASS = re.compile(
    r"^(?:admonition-title|custom-block-title|hint-container-title|starlight-aside__title|markdown-alert-title|"
    r"mdbook-alerts-title|callout-title|callout-heading|alert-heading|alert-title|note__title|note-title|box-label|"
    r"admonitionheading\w*)$"
)
#: Classes that are common words, and mark a note only on a box.
BOX_TAGS = frozenset({"div", "aside", "blockquote", "details", "section"})
TAB_LABELS_CLASS = names(
    "tabbed-labels tab-labels nav-tabs sphinx-tabs-tablist tablist tab-list tabs-list tabs-nav tab-nav vp-tabs-nav "
    "code-group__nav mdbook-tabs react-tabs__tab-list codetabs-toolbar tabs-header tab-header tab-buttons tab-bar "
    "tabs__nav tabs__header tabs-bar tabbar theme-code-group__nav nav-pills"
)
TAB_PANEL_CLASS = names(
    "tabbed-block tab-pane tab-panel tabpanel tabs-panel tabcontent sd-tab-content sphinx-tabs-panel code-group-item "
    "vp-tab mdbook-tab-content book-tabs-content react-tabs__tab-panel docsify-tabs__content tabs__panel tabs__pane"
)
TAB_TAGS = frozenset({"input", "label", "button", "a", "li", "script", "style"})
DELETED_CLASS = names("strike strikethrough line-through deleted del")
LISTING_CLASS = names("fragment syntaxhighlighter codemirror cm-editor ace_editor monaco-editor view-lines")
#: Classes of lists whose items are lines of code: google-code-prettify, SyntaxHighlighter 2.
CODE_LIST_CLASS = re.compile(r"^(?:linenums|dp-\w+)$")
#: Classes of Asciidoctor's blocks of code.
CAPTIONED_CLASSES = names("listingblock literalblock")
#: Labels beside a word, which a theme draws as boxes.
BADGE_CLASS = re.compile(r"^(?:[\w-]*[-_])?(?:badge|chip|pill|tag|since)(?:[-_]{1,2}[\w-]*)?$")
#: What such a label says, whatever its class.
LABELS = names("required optional deprecated experimental readonly read-only writeonly write-only nullable beta")
METHODS = names("GET HEAD POST PUT PATCH DELETE OPTIONS")
GUTTER_CLASS = re.compile(
    r"^(?:ln|lnt|lntd|gl|(?:[\w-]*[-_])?(?:code-?)?line[-_]?(?:no|nu?m)(?:ber)?s?(?:[-_][\w-]*)?|(?:rouge-)?gutter|"
    r"codeline-?number\w*|linenumber\w*|hljs-ln-(?:numbers|n|line)|blob-num|crayon-nums?|crayon-nums-content|linecount|"
    r"cm-gutters?|codemirror-gutters?|codemirror-linenumber|row-?num(?:ber)?)$"
)
UNSELECTABLE_CLASS = names("select-none user-select-none unselectable noselect no-select")
CELL_ROLES = frozenset({"cell", "gridcell", "columnheader", "rowheader", "row", "listitem", "option", "treeitem"})
GRID_ROLES = frozenset({"table", "grid", "treegrid"})
MATH_CLASS = names("katex katex-display mjx-chtml mathjax mathjax_display mathjax_preview mwe-math-element")
