"""Tags of template languages in Markdown: Jekyll's and GitBook's {% … %}, Hugo's {{< … >}} and {{% … %}}, Markdoc's.

A tag that shows something becomes what it shows: the label of a tab, the title of a note, a link. Tags that only the
generator reads are left to `rag.sources.markup.admonitions`, which drops them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.sources.names import names
from rag.text.lines import one_line

__all__ = ["Tag", "read_tag", "replace_shortcodes"]

# A longer tag is data.
_INSIDE = r"(?:(?!\{%|\{\{|\n[ \t]*\n).){0,1000}?"
_TAG = re.compile(
    rf"\{{%-?\s*(?P<end>/|end)?(?P<name>[A-Za-z][\w-]*)(?P<arguments>{_INSIDE})/?-?%\}}"
    rf"|\{{\{{[<%]-?\s*(?P<end2>/)?\s*(?P<name2>[\w./-]+)(?P<arguments2>{_INSIDE})/?\s*[>%]\}}\}}",
    re.DOTALL,
)
#: What Markdoc gives a heading, and its variables.
_ANNOTATION = re.compile(r"[ \t]*\{%[ \t]*[#.$][^{}%\n]{0,200}%\}")
#: The tabs of an extension of mdBook.
_MDBOOK_TABS = re.compile(r"\{\{#[ \t]*(end)?(tabs?)\b([^{}\n]{0,200})\}\}")
_ARGUMENT = re.compile(r"""(?:([\w-]+)\s*[=:]\s*)?(?:"([^"]*)"|'([^']*)'|“([^”]*)”|`([^`]*)`|([^\s"'“`]+))""")
_TABS = names("tabs tabset tab-set tabpane tab-group codetabs code-group codegroup")
_TAB = names("tab tabitem tab-item tabpanel codetab code-tab code-group-item option step")
_KINDS = names(
    "note notes tip info information warning caution danger important check hint example question success error "
    "attention abstract bug quote seealso todo warn alert message admonition callout notice aside box infobox "
    "admonitions primary secondary"
)
#: Tags for any kind of note, whose arguments tell the kind.
_NOTES = names("hint callout alert admonition notice message aside box infobox blocknote callouts panel")
_FOLDED = names("details expand expandable collapse collapsible accordion toggle spoiler accordion-item accordion_item")
_LINKS = names("content-ref embed file button btn link-card linkcard card linkbutton doc-link")
_FIGURES = names("figure image img picture screenshot")
_OPERATIONS = frozenset({"swagger", "api-method", "openapi-operation"})
_TITLES = ("title", "tabname", "header", "heading", "summary", "label", "caption", "filename", "file", "name")
_ADDRESSES = ("url", "href", "link", "src", "to")
_KIND_KEYS = ("type", "style", "kind", "variant", "color", "class", "context", "level", "status")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with its arguments: those with a name, and the others in order."""

    name: str
    is_end: bool
    named: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    #: written by Jekyll's rules: the first argument of a tab names its group
    is_liquid: bool = False

    def first(self, keys: Sequence[str]) -> str:
        """Return the value of the first of these arguments that the tag has; empty if it has none."""
        return next((self.named[key] for key in keys if self.named.get(key)), "")


def read_tag(line: str) -> Tag | None:
    """Return the tag that a line consists of; None if it is anything else."""
    bare = line.strip()
    match = _TAG.fullmatch(bare) if bare.startswith(("{%", "{{<", "{{%")) else None
    return _read(match) if match else None


def _read(match: re.Match[str]) -> Tag:
    name = match["name"] or match["name2"]
    is_end = bool(match["end"] or match["end2"])
    named: dict[str, str] = {}
    others: list[str] = []
    arguments = (match["arguments"] or match["arguments2"] or "").strip()
    if arguments.startswith("("):
        arguments = arguments.strip("()")
    for found in _ARGUMENT.finditer(arguments):
        value = one_line(next((group for group in found.groups()[1:] if group is not None), ""))
        if found[1]:
            named.setdefault(found[1].lower(), value)
        elif value:
            others.append(value)
    return Tag(name.lower(), is_end, named, tuple(others), is_liquid=match["name"] is not None)


def replace_shortcodes(text: str) -> str:
    """Return a text whose tags that show something are replaced by it; the others stay."""
    if "{{#" in text:
        text = _MDBOOK_TABS.sub(r"{% \1\2\3%}", text)
    if "{%" not in text and "{{<" not in text:
        return text
    text = _ANNOTATION.sub("", text)
    waiting: list[list[str]] = []
    pieces: list[str] = []
    at = 0
    for match in _TAG.finditer(text):
        shown = _shown(_read(match), waiting)
        if shown is None:
            continue
        is_row = text.startswith("|", text.rfind("\n", 0, match.start()) + 1)
        pieces += [text[at : match.start()], shown.strip() if is_row else shown]
        at = match.end()
    return "".join([*pieces, text[at:]])


def _shown(tag: Tag, waiting: list[list[str]]) -> str | None:
    """Return what a tag becomes; None if it is not for this module.

    :param waiting: the labels of the tabs of each open group that names them all at once
    """
    name = tag.name.rpartition("/")[2]
    if tag.is_end:
        if name in _TABS and waiting:
            waiting.pop()
        return "\n" if name in _TABS | _TAB | _KINDS | _NOTES | _FOLDED | {"code", "steps", "stepper"} else None
    if name in _TABS:
        items = tag.named.get("items", "")
        waiting.append([item.strip() for item in items.split(",") if item.strip()])
        return "\n"
    if name in _TAB:
        return _label(tag.first(_TITLES) or _tab(tag) or (waiting[-1].pop(0) if _has(waiting) else ""))
    if name in _FOLDED:
        return _label(tag.first(_TITLES) or _positional(tag))
    if name == "include":
        return _include(tag)
    if name in _KINDS or name in _NOTES:
        return _label(_note_title(tag, name), ":")
    if name in _FIGURES:
        named = [tag.first((name,)) for name in ("title", "caption")]
        alt = ". ".join(filter(None, named)) or tag.first(("alt",))
        source = tag.first(("src", "link", "url"))
        return f"![{alt}]({source})" if source and alt else None
    if name in _LINKS:
        return _link(tag)
    if name in _OPERATIONS:
        return _operation(tag)
    if name == "swagger-parameter":
        properties = ", ".join(filter(None, (tag.named.get("type"), "required" if "required" in tag.named else "")))
        return f"\n\n**{tag.first(('name',))}**{f' ({properties})' if properties else ''}\n\n"
    if name == "swagger-response":
        return _label(" ".join(filter(None, (tag.first(("status",)), tag.first(("description",))))))
    if name == "glossary_tooltip" or name == "abbr":
        return tag.first(("text", "title", "term_id"))
    title = tag.first(("title", "header", "heading"))
    return _label(title) if title and name not in ("assign", "if", "for", "set") else None


def _has(waiting: list[list[str]]) -> bool:
    return bool(waiting and waiting[-1])


def _tab(tag: Tag) -> str:
    """Return the label of a tab among its arguments without a name."""
    if tag.is_liquid:
        return " ".join(tag.others[1:] or tag.others)
    return tag.others[0] if tag.others else ""


def _positional(tag: Tag) -> str:
    return " ".join(tag.others)


def _label(title: str, after: str = "") -> str:
    title = title.replace("**", "").strip("*").rstrip(":")
    return f"\n\n**{title}{after}**\n\n" if title else "\n"


def _note_title(tag: Tag, name: str) -> str:
    """Return the title of a note, or else its kind."""
    others = list(tag.others)
    kind = tag.first(_KIND_KEYS) if name in _NOTES else name
    if not kind and name in _NOTES and others and others[0].lower() in _KINDS:
        kind = others.pop(0)
    title = tag.first(("title", "header", "heading", "name")) or " ".join(others)
    words = (word for word in re.split(r"[\s.]+", kind) if word)
    known = next((word for word in words if word.lower() in _KINDS), kind)
    return title or (known or name).replace("-", " ").capitalize()


def _operation(tag: Tag) -> str:
    """Return the summary, method and path of an operation of an API, which GitBook shows above its description."""
    path = f"{tag.first(('baseurl', 'host'))}{tag.first(('path',))}"
    operation = f"`{tag.first(('method',)).upper()} {path}`" if path else ""
    summary = tag.first(("summary",))
    return f"\n\n{f'**{summary}**' if summary else ''}\n\n{operation}\n\n"


def _include(tag: Tag) -> str | None:
    """Return the text that a file of Jekyll is included with: a note, mostly."""
    content = tag.first(("content", "text", "body"))
    if not content:
        return None
    title = tag.first(("title", "header"))
    file = tag.others[0].rpartition("/")[2].partition(".")[0].lower() if tag.others else ""
    kind = tag.first(("type",)) or (file if file in _KINDS else "")
    label = title or (kind.capitalize() if kind.lower() in _KINDS else "")
    return f"\n\n{f'**{label}:** ' if label else ''}{content}\n\n"


def _link(tag: Tag) -> str | None:
    """Return a link with a title, or an address that a page embeds; None for a tag around a link."""
    address = tag.first(_ADDRESSES) or next((value for value in tag.others if "://" in value), "")
    title = tag.first(("title", "text", "label", "caption"))
    if address and title:
        return f"\n\n[{title}]({address})\n\n"
    if tag.name == "embed" and address.startswith(("http://", "https://")):
        return f"\n\n<{address}>\n\n"
    return _label(title) if title else None
