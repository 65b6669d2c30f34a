"""Clean the Markdown that people write on GitHub for the index; code stays unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.text.anchors import escape_anchor
from rag.text.blocks import Fence, Heading, heading, lines_with_code, open_fence
from rag.text.lines import one_line

__all__ = ["clean", "without_quotes_of"]

#: CommonMark allows this many spaces before a heading.
_INDENT = 3
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_OTHER_BLOCK = re.compile(r"^ {0,3}(?:[>#|]|[-*+] |\d+[.)] |$)")
_COMMENT_OR_CODE = re.compile(
    r"(?P<ticks>`+)(?:(?!(?P=ticks)).)+?(?P=ticks)(?!`)|<!--.*?(?:-->|(?P<open>\Z))", re.DOTALL
)
_QUOTED = re.compile(r"^ {0,3}>")
_QUOTE_MARKS = re.compile(r"^[\s>]+")
#: The introduction that mail clients put above a quotation, on one line or two.
_INTRODUCTION = re.compile(
    r"^(?:On .{6,160}|.{1,100}\d{4}.{0,60})\b(?:wrote|writes|schrieb|a écrit)\s*:?\s*$", re.IGNORECASE | re.DOTALL
)
_MAIL_FOOTER = re.compile(
    r"^(?:[—–-]{1,2}\s*)?(?:You are receiving this because .*|Reply to this email directly.*|"
    r"https://github\.com/notifications/\S*|or mute the thread.*|Sent from my \w+.*)$",
    re.IGNORECASE,
)
#: A shorter quotation may occur earlier by chance.
_MIN_QUOTATION = 12


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    is_code: bool


def clean(body: str, *, top: int) -> str:
    """Return a body without the comments of templates, its headings at level `top` and below, its lines ended by LF.

    Fenced and indented code stays unchanged; a fence that is never closed is closed at the end, so that text after the
    body is not code.

    :param top: the level of the body's highest heading, 1 to 6; the others keep their distance from it
    """
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    lines = list(_without_comments(text))
    return _tidy(_demoted(lines, top))


def without_quotes_of(body: str, earlier: Sequence[str]) -> str:
    """Return a cleaned body without the quoted paragraphs that occur in an earlier body of the thread.

    :param earlier: cleaned bodies, in the order they were written
    """
    if ">" not in body:
        return body
    earlier_text = "\0".join(_plain(text) for text in earlier)
    kept: list[str] = []
    for block in _blocks(body.split("\n")):
        if not _QUOTED.match(block[0]) and not _INTRODUCTION.match("\n".join(block)):
            kept.extend(block)
            continue
        kept.extend(_new_paragraphs(block, earlier_text))
    return _tidy(_without_lonely_introductions(kept))


def _without_comments(text: str) -> Iterator[_Line]:
    """Yield the lines without HTML comments, and whether each is code."""
    fence: Fence | None = None
    prose: list[str] = []
    for line in text.split("\n"):
        if fence:
            yield _Line(line, is_code=True)
            if fence.is_closed_by(line):
                fence = None
            continue
        opening = open_fence(line)
        if opening and not _is_comment_open(prose):
            yield from _prose(prose)
            prose = []
            fence = opening
            yield _Line(line, is_code=True)
        else:
            prose.append(line)
    yield from _prose(prose)
    if fence:
        yield _Line(fence.mark, is_code=True)


def _is_comment_open(prose: Sequence[str]) -> bool:
    return any(match["open"] is not None for match in _COMMENT_OR_CODE.finditer("\n".join(prose)))


def _prose(lines: Sequence[str]) -> Iterator[_Line]:
    """Yield the lines between two fences; lines indented by four spaces after a blank line are code."""
    text = "\n".join(lines)
    if "<!--" in text:
        text = _COMMENT_OR_CODE.sub(lambda match: match[0] if match["ticks"] or match["open"] is not None else "", text)
    if not lines:
        return
    code, blank = False, True
    for line in text.split("\n"):
        code = (bool(_INDENTED.match(line)) and (blank or code)) or (code and not line.strip())
        blank = not line.strip()
        yield _Line(line, is_code=code and not blank)


def _demoted(lines: Sequence[_Line], top: int) -> Iterator[str]:
    """Yield the lines with headings in one style, at level `top` or below, and marks like those of anchors escaped."""
    atx = list(_one_style(lines))
    levels = [found.level for line in atx if (found := _heading(line))]
    shift = top - min(levels, default=top)
    for line in atx:
        if line.is_code:
            yield line.text
            continue
        text = escape_anchor(line.text)
        found = heading(text, indent=_INDENT)
        if found is None:
            yield text
        elif found.text:
            level = min(max(found.level + max(shift, 0), top), 6)
            yield f"{'#' * level} {found.text}"


def _heading(line: _Line) -> Heading | None:
    return None if line.is_code else heading(line.text, indent=_INDENT)


def _one_style(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Yield the lines with underlined headings written with #; only paragraphs of one line are taken for headings."""
    held: _Line | None = None
    before = ""
    for line in lines:
        underline = _UNDERLINE.match(line.text)
        if (
            held is not None
            and underline
            and not line.is_code
            and not held.is_code
            and not _OTHER_BLOCK.match(held.text)
            and not before.strip()
        ):
            yield _Line(f"{'#' if underline[1][0] == '=' else '##'} {held.text.strip()}", is_code=False)
            before, held = "", None
            continue
        if held is not None:
            yield held
            before = held.text
        held = line
    if held is not None:
        yield held


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield runs of lines that are all code, all quoted, all blank, or all other text."""
    run: list[str] = []
    kind = ""
    for line, is_code in lines_with_code(lines):
        this = "code" if is_code else "quote" if _QUOTED.match(line) else "text" if line.strip() else "blank"
        if run and this != kind:
            yield run
            run = []
        kind = this
        run.append(line)
    if run:
        yield run


def _new_paragraphs(block: Sequence[str], earlier_text: str) -> Iterator[str]:
    """Yield the paragraphs of a quotation that do not occur earlier; an introduction of a mail is yielded as it is."""
    if not _QUOTED.match(block[0]):
        yield from block
        return
    paragraph: list[str] = []
    any_kept = False
    for line in [*block, ">"]:
        if _QUOTE_MARKS.sub("", line):
            paragraph.append(line)
            continue
        if paragraph and not _is_repeated(paragraph, earlier_text):
            yield from ([">"] if any_kept else [])
            yield from paragraph
            any_kept = True
        paragraph = []


def _is_repeated(paragraph: Sequence[str], earlier_text: str) -> bool:
    text = _plain("\n".join(paragraph))
    stripped = "\n".join(_QUOTE_MARKS.sub("", line) for line in paragraph)
    if _MAIL_FOOTER.match(one_line(stripped)) or _INTRODUCTION.match(stripped) or not text.strip("—–-"):
        return True
    return len(text) >= _MIN_QUOTATION and text in earlier_text


def _without_lonely_introductions(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines without introductions of quotations that were dropped."""
    blocks = list(_blocks(lines))
    for position, block in enumerate(blocks):
        following = next((later for later in blocks[position + 1 :] if later[0].strip()), None)
        if _INTRODUCTION.match("\n".join(block)) and not (following and _QUOTED.match(following[0])):
            continue
        yield from block


def _plain(text: str) -> str:
    """Return a text on one line without quote marks."""
    return one_line(" ".join(_QUOTE_MARKS.sub("", line) for line in text.split("\n")))


def _tidy(lines: Iterator[str]) -> str:
    """Join the lines, with at most one blank line between blocks and none around the text; code keeps its own."""
    result: list[str] = []
    for line, is_code in lines_with_code(lines):
        if is_code or line.strip():
            result.append(line)
        elif result and result[-1].strip():
            result.append("")
    while result and not result[-1].strip(" >\t"):
        result.pop()
    return "\n".join(result)
