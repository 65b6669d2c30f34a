"""Make Markdown of reStructuredText, as far as headings, code, notes and inline marks go."""

from __future__ import annotations

import re
import textwrap

from rag.sources.repository.markdown import Text, anchored

__all__ = ["read_rst"]

_RULE = re.compile(r"^([=\-~^\"'`#*+.:_<>!$%&(),/;?@\[\]{|}\\])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\. ([\w:-]+)::[ \t]*(.*)$")
_EXPLICIT = re.compile(r"^(\s*)\.\.(?:\s|$)")
_OPTION = re.compile(r"^\s*:[\w-]+:.*$")
_CODE = {"code-block", "code", "sourcecode", "literalinclude", "parsed-literal", "prompt", "highlight"}
_LABELLED = {
    "note": "Note",
    "warning": "Warning",
    "tip": "Tip",
    "hint": "Hint",
    "important": "Important",
    "caution": "Caution",
    "danger": "Danger",
    "attention": "Attention",
    "error": "Error",
    "seealso": "See also",
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
}
_TITLED = {"admonition", "topic", "rubric", "tab", "tab-item", "dropdown", "figure", "image", "option", "envvar"}
_OBJECTS = re.compile(r"^(?:py:|c:|cpp:|js:)?(?:function|class|method|attribute|data|exception|module|macro|type)$")
_LITERAL = re.compile(r"``(.+?)``")
_ROLE = re.compile(r":[\w:+-]+:`([^`<]+?)(?:\s*<[^>`]*>)?`")
_OUTER_LINK = re.compile(r"`([^`<]+?)\s*<(https?://[^>`]+)>`__?")
_INNER_LINK = re.compile(r"`([^`]+?)(?:\s*<[^>`]*>)?`__?")


def read_rst(source: str) -> Text:
    """Read a .rst file; what no reader sees (comments, targets, options) is left out."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").expandtabs(4).split("\n")
    out = _blocks(lines, [])
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(anchored(out))).strip("\n")
    title = next((line[2:] for line in out if line.startswith("# ")), "")
    return Text(title, text)


def _blocks(lines: list[str], levels: list[str]) -> list[str]:
    """Return the Markdown lines of a piece of reStructuredText; `levels` collects heading marks as they appear."""
    out: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if _RULE.match(line) and following.strip() and at + 2 < len(lines) and lines[at + 2].strip() == line.strip():
            out += ["", f"{'#' * _level(line[0] * 2, levels)} {_inline(following.strip())}", ""]
            at += 3
        elif line.strip() and not line[0].isspace() and _is_underline(line, following):
            out += ["", f"{'#' * _level(following[0], levels)} {_inline(line.strip())}", ""]
            at += 2
        elif match := _DIRECTIVE.match(line):
            end = _end(lines, at + 1, len(match[1]))
            out += _directive(match[2], match[3].strip(), lines[at + 1 : end], levels)
            at = end
        elif match := _EXPLICIT.match(line):
            at = _end(lines, at + 1, len(match[1]))
        elif line.rstrip().endswith("::"):
            indent = len(line) - len(line.lstrip())
            end = _end(lines, at + 1, indent)
            said = line.rstrip()[:-2].rstrip()
            out += [_inline(f"{said}:" if said and line.rstrip()[-3:-2] != " " else said), ""]
            out += [*_fence("", lines[at + 1 : end]), ""]
            at = end
        else:
            out.append(_inline(line))
            at += 1
    return out


def _is_underline(line: str, following: str) -> bool:
    return (
        bool(_RULE.match(following)) and len(following.rstrip()) >= min(len(line.rstrip()), 3) and not _RULE.match(line)
    )


def _level(mark: str, levels: list[str]) -> int:
    if mark not in levels:
        levels.append(mark)
    return min(levels.index(mark) + 1, 6)


def _end(lines: list[str], start: int, indent: int) -> int:
    """Return where the block that is indented deeper than `indent` ends."""
    end = start
    for position in range(start, len(lines)):
        line = lines[position]
        if line.strip():
            if len(line) - len(line.lstrip()) <= indent:
                break
            end = position + 1
    return end


def _directive(name: str, argument: str, body: list[str], levels: list[str]) -> list[str]:
    options = [line for line in body if _OPTION.match(line)]
    while body and (not body[0].strip() or _OPTION.match(body[0])):
        body = body[1:]
    inner = textwrap.dedent("\n".join(body)).split("\n")
    if name in _CODE:
        return ["", *_fence(argument, inner), ""] if any(line.strip() for line in inner) else []
    if name in _LABELLED:
        first = [f"**{_LABELLED[name]}:** {_inline(argument)}".rstrip()]
        return ["", *first, *([""] if argument else []), *_blocks(inner, levels), ""]
    if name in _TITLED or _OBJECTS.match(name):
        alt = next((line.partition(":alt:")[2].strip() for line in options if ":alt:" in line), "")
        label = alt if name in ("figure", "image") else argument
        first = [f"`{label}`" if _OBJECTS.match(name) else f"**{_inline(label)}**"] if label else []
        return ["", *first, "", *_blocks(inner, levels), ""]
    if name in (
        "toctree",
        "contents",
        "raw",
        "index",
        "include",
        "only",
        "meta",
        "automodule",
        "autoclass",
        "currentmodule",
    ):
        return []
    return ["", *_blocks(inner, levels), ""]


def _fence(language: str, lines: list[str]) -> list[str]:
    code = textwrap.dedent("\n".join(lines)).strip("\n").split("\n")
    return [f"```{language.split()[0] if language else ''}", *code, "```"]


def _inline(line: str) -> str:
    line = _LITERAL.sub(lambda match: f"\0{match[1]}\0", line)
    line = _ROLE.sub(lambda match: match[1].lstrip("~!"), line)
    line = _OUTER_LINK.sub(r"[\1](\2)", line)
    line = _INNER_LINK.sub(r"\1", line)
    return re.sub(r"(?<=\w)_(?=[\s.,;)]|$)", "", line).replace("\0", "`") if "_" in line else line.replace("\0", "`")
