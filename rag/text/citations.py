"""Citations: a marker [n] points to a retrieved chunk, a link to a retrieved place, a quote stands in its text."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Collection, Sequence

from rag.text.blocks import blocks, is_code
from rag.text.lines import UNWRITTEN
from rag.text.sentences import sentences
from rag.text.words import words

__all__ = [
    "CODE",
    "MARKERS",
    "REMOVED",
    "best_quote",
    "cited",
    "code_blanked",
    "escape_markers",
    "keep_known_links",
    "renumber",
    "sanitized",
    "text_fragment",
]

#: Replaces an address or an image; a sentence that contains it has lost what it refers to.
REMOVED = "\ufffc"

_MARKER = re.compile(r"\[(?P<numbers>\d+(?:\s*,\s*\d+)*)\]")
_MARKER_AND_SPACE = re.compile(rf"(?P<before>(?:(?<![ \t])[ \t]+)?){_MARKER.pattern}")
#: A run of markers, and the white space around it.
MARKERS = re.compile(r"(?:(?<!\s)\s+)?(?:\[\d+(?:\s*,\s*\d+)*\]\s*)+")
# The lengths are limited so that a mark which is never closed costs no search to the end of the text; possessive
# repetitions (`}+`) keep the engine from trying every division of the text among them.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,1000}+)\]\(\s{0,20}+<?([^\s)>]{1,2000}+)>?[^)\n]{0,300}+\)")
_URL = re.compile(
    r"<?(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:javascript|data|mailto|vbscript):)[^\s<>()\[\]\"']+>?",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"^[ \t]*\[[^\]\n]+\]:[ \t]*\S.*$", re.MULTILINE)
_TAG = re.compile(r"<[a-z/!?][^<>\n]*>", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
#: Fenced and inline code; splitting at it gives text and code in turn.
CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)


def cited(answer: str, known: Collection[int]) -> list[int]:
    """Return the known numbers that the markers of an answer contain, in order of first appearance."""
    numbers: dict[int, None] = {}
    for part in _prose(answer):
        for match in _MARKER.finditer(part):
            numbers.update((number, None) for number in _numbers(match) if number in known)
    return list(numbers)


def code_blanked(text: str) -> str:
    """Return a text with its code replaced by letters; offsets stay valid, and `items[0]` is not a citation."""
    return CODE.sub(lambda code: "x" * len(code[0]), text)


def escape_markers(passage: str) -> str:
    """Return a passage in which bracketed numbers of its own, such as footnotes, cannot be read as markers.

    It looks the same: a word joiner, which has no width, follows each bracket.
    """
    parts = CODE.split(passage)
    parts[::2] = [_MARKER.sub(lambda match: f"[\u2060{match[0][1:]}", part) for part in parts[::2]]
    return "".join(parts)


def renumber(answer: str, numbers: Sequence[int]) -> str:
    """Renumber the markers of an answer from 1, in the order of `numbers`; markers of other numbers are removed.

    Code stays as it is: `items[0]` is not a citation.
    """
    new = {old: position for position, old in enumerate(numbers, start=1)}

    def replace(match: re.Match[str]) -> str:
        kept = "".join(f"[{new[number]}]" for number in _numbers(match) if number in new)
        return match["before"] + kept if kept else ""

    parts = CODE.split(answer)
    parts[::2] = [_MARKER_AND_SPACE.sub(replace, part) for part in parts[::2]]
    return "".join(parts).strip()


def sanitized(answer: str) -> str:
    """Return a language model's answer without HTML, link definitions, control and invisible characters.

    These can hide text or load a resource. Code keeps what looks like HTML.
    """
    parts = CODE.split(_CONTROL.sub("", UNWRITTEN.sub("", answer)))
    parts[::2] = [_TAG.sub(_autolink, _without_comments(_REFERENCE.sub("", part))) for part in parts[::2]]
    return "".join(parts)


def _without_comments(text: str) -> str:
    """Remove HTML comments; behind the last end of one, none is sought."""
    end = text.rfind("-->") + 3
    return _COMMENT.sub("", text[:end]) + text[end:] if end > 2 else text


def _autolink(match: re.Match[str]) -> str:
    """Keep <https://…>, which `keep_known_links` decides about."""
    return match[0] if _URL.fullmatch(match[0]) else ""


def keep_known_links(answer: str, is_known: Callable[[str], bool]) -> str:
    """Remove every link and URL that may not be shown: the text of a link stays, a bare URL becomes `REMOVED`.

    :param is_known: returns whether a URL may be shown
    """

    def link(match: re.Match[str]) -> str:
        if match[0].startswith("!"):
            return REMOVED
        return match[0] if is_known(match[2]) else match[1]

    def url(match: re.Match[str]) -> str:
        bare = match[0].strip("<>")
        trimmed = bare.rstrip(".,;:!?*_")
        return match[0] if is_known(trimmed) else REMOVED + bare[len(trimmed) :]

    parts = CODE.split(answer)
    for position in range(0, len(parts), 2):
        pieces = []
        start = 0
        # A link that is kept contains a URL, so links and the text between them are rewritten separately.
        for match in _LINK.finditer(parts[position]):
            pieces += [_URL.sub(url, parts[position][start : match.start()]), link(match)]
            start = match.end()
        pieces.append(_URL.sub(url, parts[position][start:]))
        parts[position] = "".join(pieces)
    return "".join(parts)


def best_quote(claim: str, text: str, *, limit: int = 300) -> str:
    """Return the sentence or code of `text` that shares most words with `claim`, at most `limit` characters of it."""
    wanted = words(claim)
    quotes = [
        part.strip()
        for block in blocks(text)
        for part in ([block] if is_code(block) else sentences(block))
        if words(part)
    ]
    # Prose explains a source better than its code does, so code has to match twice as well.
    best = max(
        quotes,
        key=lambda quote: len(wanted & words(quote)) / (len(words(quote)) + 8) ** 0.5 / (1 + is_code(quote)),
        default=text.strip(),
    )
    if len(best) <= limit:
        return best
    cut = best[:limit]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"), limit // 2)].strip()


def text_fragment(url: str, quote: str) -> str:
    """Return a link that scrolls to a quote, in browsers that support text fragments.

    https://wicg.github.io/scroll-to-text-fragment/: a browser searches the text as displayed, so the link names the
    quote's longest run of words without Markdown in between.
    """
    plain = re.split(r"[`*_|\[\]()<>#~\\{}\n\u2060]|https?:", quote)
    run = max((part.split() for part in plain), key=len, default=[])[:12]
    if len(run) < 3:
        return url
    sought = urllib.parse.quote(" ".join(run).strip(" .,;:"), safe="").replace("-", "%2D")
    return f"{url}{':~:' if '#' in url else '#:~:'}text={sought}"


def _numbers(match: re.Match[str]) -> list[int]:
    return [int(number) for number in match["numbers"].split(",") if len(number.strip()) < 6]


def _prose(answer: str) -> list[str]:
    return CODE.split(answer)[::2]
