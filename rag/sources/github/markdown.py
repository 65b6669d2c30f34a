"""What people type into GitHub, made fit for an index: Markdown in, Markdown out, code untouched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["clean", "without_quotes_of"]

_FENCE = re.compile(r"^\s*(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_NO_PARAGRAPH = re.compile(r"^ {0,3}(?:[>#|]|[-*+] |\d+[.)] |$)")
#: What the chunker would take for an anchor of ours.
_ANCHOR = re.compile(r"\{#(?=[^\s{}]+[^{}]*\}[ \t]*$)")
_COMMENT_OR_CODE = re.compile(
    r"(?P<ticks>`+)(?:(?!(?P=ticks)).)+?(?P=ticks)(?!`)|<!--.*?(?:-->|(?P<open>\Z))", re.DOTALL
)
_QUOTED = re.compile(r"^ {0,3}>")
_QUOTE_MARKS = re.compile(r"^[\s>]+")
#: How mail clients introduce a quotation, on one line or broken into two.
_WROTE = re.compile(
    r"^(?:On .{6,160}|.{1,100}\d{4}.{0,60})\b(?:wrote|writes|schrieb|a écrit)\s*:?\s*$", re.IGNORECASE | re.DOTALL
)
_MAIL_FOOTER = re.compile(
    r"^(?:[—–-]{1,2}\s*)?(?:You are receiving this because .*|Reply to this email directly.*|"
    r"https://github\.com/notifications/\S*|or mute the thread.*|Sent from my \w+.*)$",
    re.IGNORECASE,
)
#: A shorter quotation that occurs earlier may do so by chance.
_SHORTEST_QUOTATION = 12


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    is_code: bool


def clean(body: str, *, top: int) -> str:
    """Return a body without template comments, its headings at level `top` and below, its lines ended by LF.

    Fenced and indented code stays as it is, but for a fence that is never closed: it is, so that what follows the
    body is not taken for code.

    :param top: the level of the body's highest heading, 1 to 6; the others keep their distance to it
    """
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    lines = list(_without_comments(text))
    return _tidy(_demoted(lines, top))


def without_quotes_of(body: str, earlier: Sequence[str]) -> str:
    """Drop from a cleaned body the quoted paragraphs that stand in an earlier body of the thread.

    :param earlier: cleaned bodies, in the order they were written
    """
    if ">" not in body:
        return body
    said = "\0".join(_plain(text) for text in earlier)
    kept: list[str] = []
    for block in _blocks(body.split("\n")):
        if not _QUOTED.match(block[0]) and not _WROTE.match("\n".join(block)):
            kept.extend(block)
            continue
        kept.extend(_unsaid(block, said))
    return _tidy(_without_lonely_introductions(kept))


def _without_comments(text: str) -> Iterator[_Line]:
    """Yield lines with HTML comments cut out, code marked."""
    fence = ""
    prose: list[str] = []
    lines = text.split("\n")
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if fence:
            yield _Line(line, is_code=True)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        opening = _FENCE.match(line)
        if opening and not _open_comment(prose):
            yield from _prose(prose)
            prose = []
            fence = opening[1]
            yield _Line(line, is_code=True)
        else:
            prose.append(line)
    yield from _prose(prose)
    if fence:
        yield _Line(fence, is_code=True)


def _open_comment(prose: Sequence[str]) -> bool:
    return any(match["open"] is not None for match in _COMMENT_OR_CODE.finditer("\n".join(prose)))


def _prose(lines: Sequence[str]) -> Iterator[_Line]:
    """Yield the lines between two fences; indented code is what follows a blank line with four spaces before it."""
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
    """Yield the lines, headings in one style and moved below `top`, and nothing that looks like an anchor of ours."""
    atx = list(_one_style(lines))
    levels = [len(heading[1]) for line in atx if not line.is_code and (heading := _HEADING.match(line.text))]
    shift = top - min(levels, default=top)
    for line in atx:
        if line.is_code:
            yield line.text
            continue
        text = _ANCHOR.sub(r"{\\#", line.text)
        heading = _HEADING.match(text)
        if heading is None:
            yield text
        elif heading[2]:
            level = min(max(len(heading[1]) + max(shift, 0), top), 6)
            yield f"{'#' * level} {heading[2]}"


def _one_style(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Yield the lines with underlined headings written with #; only a paragraph of one line can be one here."""
    held: _Line | None = None
    before = ""
    for line in lines:
        underline = _UNDERLINE.match(line.text)
        if (
            held is not None
            and underline
            and not line.is_code
            and not held.is_code
            and not _NO_PARAGRAPH.match(held.text)
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
    """Yield runs of lines that are all quoted, all blank, or neither; fenced code is one run."""
    run: list[str] = []
    kind: object = None
    fence = ""
    for line in lines:
        opening = _FENCE.match(line)
        if fence:
            this: object = "code"
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening:
            fence, this = opening[1], "code"
        else:
            this = "quote" if _QUOTED.match(line) else "blank" if not line.strip() else "text"
        if run and this != kind:
            yield run
            run = []
        kind = this
        run.append(line)
    if run:
        yield run


def _unsaid(block: Sequence[str], said: str) -> Iterator[str]:
    """Yield the paragraphs of a quotation that nobody said before, and a mail's introduction for later judgement."""
    if not _QUOTED.match(block[0]):
        yield from block
        return
    paragraph: list[str] = []
    any_kept = False
    for line in [*block, ">"]:
        if _QUOTE_MARKS.sub("", line):
            paragraph.append(line)
            continue
        if paragraph and not _is_said(paragraph, said):
            yield from ([">"] if any_kept else [])
            yield from paragraph
            any_kept = True
        paragraph = []


def _is_said(paragraph: Sequence[str], said: str) -> bool:
    text = _plain("\n".join(paragraph))
    stripped = "\n".join(_QUOTE_MARKS.sub("", line) for line in paragraph)
    if _MAIL_FOOTER.match(" ".join(stripped.split())) or _WROTE.match(stripped) or not text.strip("—–-"):
        return True
    return len(text) >= _SHORTEST_QUOTATION and text in said


def _without_lonely_introductions(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines but those that introduce a quotation which is no longer there, and mail footers."""
    blocks = list(_blocks(lines))
    for position, block in enumerate(blocks):
        following = next((later for later in blocks[position + 1 :] if later[0].strip()), None)
        if _WROTE.match("\n".join(block)) and not (following and _QUOTED.match(following[0])):
            continue
        yield from block


def _plain(text: str) -> str:
    """Return a text's words, free of quote marks and line breaks."""
    return " ".join(" ".join(_QUOTE_MARKS.sub("", line) for line in text.split("\n")).split())


def _tidy(lines: Iterator[str]) -> str:
    """Join the lines, one blank line at most between two outside code, none around."""
    result: list[str] = []
    fence = ""
    for line in lines:
        opening = _FENCE.match(line)
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening:
            fence = opening[1]
        elif not line.strip():
            if not result or not result[-1].strip():
                continue
            line = ""
        result.append(line)
    while result and not result[-1].strip(" >\t"):
        result.pop()
    return "\n".join(result)
