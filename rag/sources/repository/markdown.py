"""Make plain Markdown of a file as it lies in a repository, with the anchors that its host gives headings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Text", "anchored", "read_markdown", "slug"]

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_ATTRIBUTE = re.compile(r"[ \t]*\{#[^{}\s]+[^{}]*\}$")
_COMMENT = re.compile(r"<!--.*?-->|\{/\*.*?\*/\}", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_MODULE = re.compile(r"^(?:import\s.+\sfrom\s+['\"].+|import\s+['\"].+|export\s+(?:const|default|let|function)\b.*)$")
_COMPONENT = re.compile(r"^\s*</?(?:[A-Z][\w.]*|div|details|summary|center|p|br|picture|source)\b([^<>]*)/?>\s*$")
_NAMED = re.compile(r"<([A-Z][\w.]*)")
_LABEL = re.compile(r"\b(?:label|title|summary)=[\"{']+([^\"'}]+)")
_DIRECTIVE = re.compile(r"^\s*:{3,}\s*\{?(\w+)?\}?(?:\s*\[?\s*(.*?)\s*\]?)?(?:\{.*\})?\s*$")
_BANG = re.compile(r"^(\s*)(?:!!!|\?\?\?\+?)\s+([\w-]+)[^\"]*(?:\"(.*)\")?\s*$")
_TAB = re.compile(r"^(\s*)===[!+]?\s+\"(.+)\"\s*$")
_ALERT = re.compile(r"^(\s*>\s*)\[!(\w+)\]\s*$")
_SHORTCODE = re.compile(r"\{\{[<%].*?[>%]\}\}|^\s*\{%.*?%\}\s*$|^\s*-+8<-+.*$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_LINK = re.compile(
    r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(<?([^()\s<>]*(?:\([^()\s]*\))?[^()\s<>]*)>?(?:\s+[\"'][^\"']*[\"'])?\)"
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+\S+.*$")
_TAG = re.compile(r"</?(?:a|b|i|em|strong|span|kbd|sub|sup|img|br|small|u|font|center|div|p)\b[^<>]*>", re.IGNORECASE)
_BADGE = re.compile(r"badge|shields\.io|travis-ci|codecov", re.IGNORECASE)
_KINDS = {"note", "tip", "info", "warning", "caution", "danger", "important", "check", "hint", "example", "question"}


@dataclass(frozen=True, slots=True)
class Text:
    """A file's title, empty if it names none, and its Markdown."""

    title: str
    markdown: str


def read_markdown(source: str) -> Text:
    """Read a .md or .mdx file: front matter, components and relative links make way for what a reader sees."""
    title, body = _front_matter(source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"))
    lines = list(_lines(_without_comments(body)))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(anchored(lines))).strip("\n")
    heading = next((match[2] for line in lines if (match := _HEADING.match(line)) and len(match[1]) == 1), "")
    return Text(title or _plain(heading), text)


def slug(text: str, seen: dict[str, int]) -> str:
    """Return the anchor that GitHub gives a heading; `seen` counts those before it on the page."""
    base = re.sub(r"[^\w\- ]", "", _plain(text).lower()).strip().replace(" ", "-")
    count = seen.get(base, -1) + 1
    seen[base] = count
    return f"{base}-{count}" if count else base


def anchored(lines: list[str]) -> Iterator[str]:
    """Yield lines with headings in one form, `# Title {#anchor}`."""
    seen: dict[str, int] = {}
    for line, is_code in _with_fences(lines):
        match = None if is_code else _HEADING.match(line)
        if not match:
            yield line
            continue
        anchor = slug(match[2], seen)
        text = _plain(_ATTRIBUTE.sub("", match[2]))
        yield f"{match[1]} {text} {{#{anchor}}}" if anchor else f"{match[1]} {text}"


def _front_matter(source: str) -> tuple[str, str]:
    """Return the title that the front matter gives, and what comes after it."""
    for mark in ("---", "+++"):
        if source.startswith(f"{mark}\n"):
            head, found, body = source[len(mark) + 1 :].partition(f"\n{mark}\n")
            if not found:
                if not source.rstrip().endswith(f"\n{mark}"):
                    continue
                head, body = source[len(mark) + 1 :].rstrip().removesuffix(mark), ""
            if mark == "+++":
                return _toml_title(head), body
            match = _TITLE.search(head)
            return (match[1].strip("\"'") if match else ""), body
    return "", source


def _toml_title(head: str) -> str:
    try:
        return str(tomllib.loads(head).get("title", ""))
    except tomllib.TOMLDecodeError:
        return ""


def _without_comments(body: str) -> str:
    """Drop comments, but none of what stands in code."""
    parts = []
    run: list[str] = []
    for line, is_code in _with_fences(body.split("\n")):
        if is_code:
            parts.append(_COMMENT.sub("", "\n".join(run)))
            parts.append(line)
            run = []
        else:
            run.append(line)
    parts.append(_COMMENT.sub("", "\n".join(run)))
    return "\n".join(part for part in parts if part or not parts)


def _with_fences(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield lines, and whether each is code or its fence."""
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        if fence:
            yield line, True
            if match and match[2].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif match:
            fence = match[2]
            yield line, True
        else:
            yield line, False


def _lines(body: str) -> Iterator[str]:
    """Yield lines of plain Markdown: a generator's own syntax becomes labels, or goes."""
    dedent: list[int] = []
    held: str | None = None
    fence_indent = 0
    in_fence = False
    for raw, is_code in _with_fences(body.split("\n")):
        line = raw
        if not is_code or not in_fence:
            while dedent and line.strip() and _indent(line) <= dedent[-1]:
                dedent.pop()
            fence_indent = 4 * len(dedent)
        in_fence = is_code
        line = line[min(fence_indent, _indent(line)) :]
        if is_code:
            if held is not None:
                yield held
                held = None
            yield line
            continue
        if held is not None:
            match = _UNDERLINE.match(line)
            if match and held.strip() and not re.match(r"^\s*(?:[-*+>|]|\d+\.)\s?", held):
                yield f"{'#' if match[1][0] == '=' else '##'} {held.strip()}"
                held = None
                continue
            yield held
        held = _line(line, raw, dedent)
    if held is not None:
        yield held


def _line(line: str, raw: str, dedent: list[int]) -> str | None:
    if match := _BANG.match(line) or _TAB.match(line):
        dedent.append(_indent(raw))
        if match.re is _TAB:
            return f"**{match[2]}**\n"
        title = match[3] if match[3] is not None else match[2].capitalize()
        return f"**{title}:**" if title else ""
    if _MODULE.match(line):
        return None
    if line.lstrip().startswith(":::"):
        match = _DIRECTIVE.match(line)
        name = (match[2] or (match[1] or "").capitalize()) if match else ""
        return f"**{name}:**" if name else ""
    if match := _ALERT.match(line):
        return f"{match[1]}**{match[2].capitalize()}:**"
    if match := _COMPONENT.match(line):
        label = _LABEL.search(match[1])
        if label:
            return f"**{label[1].strip()}**\n"
        name = _NAMED.search(line)
        return f"**{name[1]}:**" if name and name[1].lower() in _KINDS and not line.lstrip().startswith("</") else ""
    if _REFERENCE.match(line):
        return None
    return _inline(_SHORTCODE.sub("", line))


def _inline(line: str) -> str:
    """Keep the text of images and of links inside the repository; links that lead out stay links."""
    if "`" in line:
        # Code spans stay to the letter.
        parts = re.split(r"(`+[^`]*`+)", line)
        return "".join(part if part.startswith("`") else _inline(part) for part in parts)
    if "[" in line:
        line = _LINK.sub(_link, _IMAGE.sub(_image, line))
    return _TAG.sub("", line) if "<" in line else line


def _image(match: re.Match[str]) -> str:
    return "" if _BADGE.search(match[0]) else match[1]


def _link(match: re.Match[str]) -> str:
    text, target = match[1], match[2]
    if not text:
        return ""
    return match[0] if target.startswith(("http://", "https://")) else text


def _plain(text: str) -> str:
    """Return a heading without its marks."""
    text = _IMAGE.sub(_image, text)
    text = _LINK.sub(lambda match: match[1], text)
    text = re.sub(r"<[^<>]+>", "", text)
    text = re.sub(r"(\*{1,3})(\S(?:.*?\S)?)\1", r"\2", text)
    return text.replace("`", "").replace("\\", "").strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
