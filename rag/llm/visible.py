"""What a reader sees of a reply: no thoughts, no special tokens, no fence, tags or JSON around the whole of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from rag.llm.thoughts import Thoughts, sounds_like_thinking
from rag.text.blocks import MARKDOWN

__all__ = ["UnfinishedThought", "visible", "visible_lines"]

_BAR, _SPACE = "|\uff5c", "\u2581 "  # DeepSeek's special tokens have a full-width bar and a low block
_SPECIAL = (
    rf"<[{_BAR}][\w/{_SPACE}-]{{1,40}}[{_BAR}]?>|<[\w{_SPACE}-]{{1,20}}[{_BAR}]>|</?s>|</?(?:eos|bos|end_of_turn|start_of_turn)>"
    r"|\[/?(?:INST|EOS|BOS)\]|<</?SYS>>|\[e~\["
)
_LEADING = re.compile(
    rf"\s*\[INST\][^\[]{{1,4000}}\[/INST\]\s*|\s*(?:(?:{_SPECIAL})\s*(?:(?:assistant|model|final)\b\s*:?\s*\n?)?)+|\ufeff?\s*assistant\s*(?:\n|{_SPECIAL})\s*|\ufeff",
    re.IGNORECASE,
)
_END = re.compile(_SPECIAL, re.IGNORECASE)
_CODE = re.compile(r"(`[^`\n]+`)")
_FENCE_LINE = re.compile(r"\s{0,3}(?:```|~~~)")
_WRAPPER = re.compile(r"\s*(?:```+|~~~+)[ \t]*(?P<info>[\w-]*)[ \t]*$")
_PLAIN = frozenset({"", "text", "txt", "plaintext", "plain", "answer", "html"})
_ANY_MARKER = re.compile(r"[\[【\uff3b(]\^?\W?\d{1,3}\W|[\u00b9\u00b2\u00b3\u2070-\u2079]")
_TAGS = re.compile(
    r"\s*<(?P<name>final|(?:final_?)?(?:answer|response|output|result|reply|solution))>(?P<text>.*?)(?:</(?P=name)>.*)?$",
    re.IGNORECASE | re.DOTALL,
)
_LABEL = re.compile(r"\s*[*_#]*(?:final\s+)?(?:answer|response)\s*:[*_]*\s*", re.IGNORECASE)
# A reply that reasons in labelled paragraphs has its answer behind the last label.
_REASONED = re.compile(
    r"\W*(?:thoughts?|reasoning|analysis|thinking|chain of thought|rationale)\W{0,3}[:\n]", re.IGNORECASE
)
_ANSWER_LINE = re.compile(r"^[*_#> ]*(?:final\s+)?(?:answer|response)[*_ ]*:[*_]*[ \t]*", re.IGNORECASE | re.MULTILINE)
_BOXED = re.compile(r"\s*(?:\$+\s*)?\\boxed\{(?:\\text\{)?(?P<text>[^{}]*)\}{1,2}\s*\$*\.?\s*$")
_ANSWER_KEYS = (
    *("answer", "answers", "final_answer", "response", "reply", "text", "content", "output", "result", "message"),
    *("sentence", "sentences"),
)


# Where another sentence has begun. In characters: how much of the end of a line is searched for it, and the longest
# line that is searched.
_SENTENCE_END = re.compile(
    r"(?:[.!?…][\"')\]”’»*_]*(?:\s*\[\d{1,3}\])*\s+|[。！？](?:\[\d{1,3}\])*)(?=[^\W_])"  # noqa: RUF001
)
_TAIL, _LONGEST_LINE = 40, 8_000
# How much of a reply shows what it begins with, in characters.
_START = 800


class UnfinishedThought(Exception):  # noqa: N818 - the state of a reply
    """The reply ends within a thought, and has nothing else."""


def visible(text: str) -> str:
    """Return the part of a whole reply that is meant for a reader.

    :raises UnfinishedThought: there is none, since a thought does not end
    """
    return "".join(visible_lines([text], at_once=False))


def visible_lines(pieces: Iterable[str], *, at_once: bool) -> Iterator[str]:
    """Yield the lines of a reply that are meant for a reader.

    :param at_once: yield each line, and each sentence of it with the first letter of the next, as soon as it is certain
        that it belongs to no thought or wrapper
    :raises UnfinishedThought: there is none, since a thought does not end
    """
    thoughts, held = Thoughts(), list[str]()
    start = early = ""
    is_released = is_code = said = False
    for line, following in _begun_lines(pieces) if at_once else _whole_lines(pieces):
        was_thought, shown = thoughts.read(line)
        shown, early = shown.removeprefix(early), ""
        if was_thought:
            held.clear()
            start = ""
        if is_released and not was_thought:
            is_code ^= bool(_FENCE_LINE.match(shown))
            text, is_end = (shown, False) if is_code else _cut(shown)
            early = "" if is_end or thoughts.is_open else following
            yield text + early
            if is_end:
                return
            continue
        held.append(shown)
        start = (start + shown).lstrip()[:_START]
        if at_once and not thoughts.is_open and _is_certain(start, has_thought=thoughts.found):
            is_released = said = True
            is_code = sum(bool(_FENCE_LINE.match(part)) for part in held) % 2 == 1
            text, is_end = _without_tokens("".join(held))
            early = "" if is_end else following
            yield _without_label(text) + early
            if is_end:
                return
            held.clear()
    rest = _unwrapped("".join(held))
    if not rest.strip() and not said and thoughts.is_open:
        raise UnfinishedThought
    yield rest


def _is_certain(text: str, *, has_thought: bool) -> bool:
    """Return whether a beginning is no wrapper and, unless thoughts have tags here, no thought without a tag."""
    if not text or _WRAPPER.match(text.split("\n")[0]) or text.startswith(("{", "<", "[", "\\", "$")):
        return False
    return has_thought or not sounds_like_thinking(text)


def _unwrapped(text: str) -> str:
    """Return a text without special tokens and without what is put around the whole of it."""
    return _without_label(_from_json(_without_fence(_without_tags(_without_tokens(text)[0]))))


def _without_label(text: str) -> str:
    if _REASONED.match(text):
        *_, last = [0, *(line.end() for line in _ANSWER_LINE.finditer(text))]
        return text[last:]
    label = _LABEL.match(text)
    return text[label.end() :] if label else text


def _without_tokens(text: str) -> tuple[str, bool]:
    """Cut special tokens off both ends of a text, and what follows its end, which is another turn.

    :return: the text, and whether it has an end
    """
    leading = _LEADING.match(text)
    kept, is_code = [], False
    for line in (text[leading.end() :] if leading else text).splitlines(keepends=True):
        is_code ^= bool(_FENCE_LINE.match(line))
        shown, is_end = (line, False) if is_code else _cut(line)
        kept.append(shown)
        if is_end:
            return "".join(kept), True
    return "".join(kept), False


def _cut(line: str) -> tuple[str, bool]:
    parts = _CODE.split(line)
    for place in range(0, len(parts), 2):
        end = _END.search(parts[place])
        if end:
            return "".join(parts[:place]) + parts[place][: end.start()].rstrip(), True
    return line, False


def _without_tags(text: str) -> str:
    tagged = _TAGS.match(text) or _BOXED.match(text)
    return tagged["text"].strip() if tagged else text


def _without_fence(text: str) -> str:
    """Take the fence off a reply that is fenced as a whole; fenced code stays as it is."""
    first, _, rest = text.strip().partition("\n")
    fence = _WRAPPER.match(first)
    if fence is None:
        return text
    body = rest.rstrip()
    mark = first.strip()[:3]
    last = body.rpartition("\n")[2].strip()
    body = (
        body[: len(body) - len(last)].rstrip() if last and not last.strip(mark[0]) and last.startswith(mark) else body
    )
    info = fence["info"].lower()
    is_markdown = info in MARKDOWN or (info in _PLAIN and mark not in body and bool(_ANY_MARKER.search(body)))
    return body if is_markdown or (info == "json" and body.lstrip().startswith("{")) else text


def _from_json(text: str) -> str:
    """Return the answer in a JSON object or list, if the reply is one and names it."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        found = _said(json.loads(text))
    except (ValueError, RecursionError):
        return text
    return found or text


def _said(body: object) -> str:
    """Return the text of an answer in JSON, "" if there is none: a string, or what stands under a known key."""
    match body:
        case str():
            return body
        case list():
            return "\n\n".join(filter(None, map(_said, body)))
        case dict():
            return next(filter(None, (_said(body[key]) for key in _ANSWER_KEYS if key in body)), "")
        case _:
            return ""


def _whole_lines(pieces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield lines with their ends, each as soon as it is complete; nothing of the next is known then."""
    rest: list[str] = []
    for piece in pieces:
        *whole, last = piece.split("\n")
        for line in whole:
            yield "".join([*rest, line, "\n"]), ""
            rest.clear()
        rest.append(last)
    if any(rest):
        yield "".join(rest), ""


def _begun_lines(pieces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield lines, and sentences of a line as soon as another follows, with the letter that the other begins with."""
    rest: list[str] = []
    size, tail = 0, ""
    for piece in pieces:
        *whole, last = piece.split("\n")
        for line in whole:
            yield "".join([*rest, line, "\n"]), ""
            rest.clear()
            size, tail = 0, ""
        rest.append(last)
        size, tail = size + len(last), tail[-_TAIL:] + last
        if size > _LONGEST_LINE or not _SENTENCE_END.search(tail):
            continue
        text = "".join(rest)
        *_, end = (match.end() for match in _SENTENCE_END.finditer(text))
        # What stands in code is text, whether the code ends in this sentence or in the next.
        if text.count("`", 0, end) % 2 == 0:
            yield text[:end], text[end]
            rest, size = [text[end:]], len(text) - end
        tail = ""
    if any(rest):
        yield "".join(rest), ""
