"""Citations: a marker [n] points to a retrieved chunk, a link to a retrieved place, a quote stands in its text."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Collection, Iterable, Sequence

from rag.text.function_words import FUNCTION_WORDS
from rag.trust.injection import INVISIBLE

__all__ = [
    "REMOVED",
    "SENTENCE_END",
    "best_quote",
    "cited",
    "code_blanked",
    "keep_known_links",
    "passages",
    "plain",
    "renumber",
    "text_fragment",
    "without_markers",
    "words",
]

#: Stands where an address or an image was; a sentence with it has lost what it is about.
REMOVED = "\ufffc"

_MARKER = re.compile(r"\[(?P<numbers>\d+(?:\s*,\s*\d+)*)\]")
_MARKER_AND_SPACE = re.compile(rf"(?P<before>[ \t]*){_MARKER.pattern}")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\(\s*<?([^\s)>]+)>?[^)]*\)")
_URL = re.compile(
    r"<?\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:javascript|data|mailto|vbscript):)[^\s<>()\[\]\"']+>?", re.IGNORECASE
)
_REFERENCE = re.compile(r"^[ \t]*\[[^\]\n]+\]:[ \t]*\S.*$", re.MULTILINE)
_TAG = re.compile(r"<(?:[a-z/!?][^<>\n]*|!--.*?--)>", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
#: The space behind a sentence.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[`*]*[A-Z0-9])")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_FENCE = re.compile(r"^\s*(`{3,}(?=[^`\n]*(?:\n|$))|~{3,})")


def words(text: str) -> set[str]:
    """Return the words of a text that carry meaning, lower-cased."""
    return {word for word in (match.lower() for match in _WORD.findall(text)) if word not in FUNCTION_WORDS}


def cited(answer: str, known: Collection[int]) -> list[int]:
    """Return the numbers that markers in an answer point to, in order of appearance, unknown ones left out."""
    numbers: dict[int, None] = {}
    for part in _prose(answer):
        for match in _MARKER.finditer(part):
            numbers.update((number, None) for number in _numbers(match) if number in known)
    return list(numbers)


def code_blanked(text: str) -> str:
    """Return a text with its code blanked out, so that all else stands where it stood: `items[0]` is no citation."""
    return _CODE.sub(lambda code: "x" * len(code[0]), text)


def without_markers(passage: str) -> str:
    """Return a passage whose own bracketed numbers, footnotes say, are no markers: it looks the same.

    A word joiner, which takes no space, stands behind the bracket.
    """
    parts = _CODE.split(passage)
    parts[::2] = [_MARKER.sub(lambda match: f"[\u2060{match[0][1:]}", part) for part in parts[::2]]
    return "".join(parts)


def renumber(answer: str, numbers: Sequence[int]) -> str:
    """Make markers count from 1 in the order of `numbers`; markers that point nowhere go.

    Code is left alone: `items[0]` is no citation.
    """
    new = {old: position for position, old in enumerate(numbers, start=1)}

    def replace(match: re.Match[str]) -> str:
        kept = "".join(f"[{new[number]}]" for number in _numbers(match) if number in new)
        return match["before"] + kept if kept else ""

    parts = _CODE.split(answer)
    parts[::2] = [_MARKER_AND_SPACE.sub(replace, part) for part in parts[::2]]
    return "".join(parts).strip()


def plain(answer: str) -> str:
    """Take out of a model's answer what can hide or load anything: HTML, reference definitions, invisible characters.

    Code keeps what looks like HTML.
    """
    parts = _CODE.split(INVISIBLE.sub("", answer))
    parts[::2] = [_TAG.sub(_autolink, _REFERENCE.sub("", part)) for part in parts[::2]]
    return "".join(parts)


def _autolink(match: re.Match[str]) -> str:
    """Keep <https://…>, which `keep_known_links` looks at."""
    return match[0] if _URL.fullmatch(match[0]) else ""


def keep_known_links(answer: str, known: Collection[str]) -> str:
    """Take out every link and URL that was not retrieved; a link's words stay, and `REMOVED` stands for the rest.

    :param known: the URLs that may be shown; one with a fragment also allows the page without it
    """
    allowed = {url for one in known for url in (one, one.partition("#")[0])}

    def link(match: re.Match[str]) -> str:
        if match[0].startswith("!"):
            return REMOVED
        return match[0] if match[2] in allowed else match[1]

    def url(match: re.Match[str]) -> str:
        bare = match[0].strip("<>")
        trimmed = bare.rstrip(".,;:!?*_")
        return match[0] if trimmed in allowed else REMOVED + bare[len(trimmed) :]

    parts = _CODE.split(answer)
    for position in range(0, len(parts), 2):
        pieces = []
        start = 0
        # A kept link contains a URL, so text between links and links themselves are treated apart.
        for match in _LINK.finditer(parts[position]):
            pieces += [_URL.sub(url, parts[position][start : match.start()]), link(match)]
            start = match.end()
        pieces.append(_URL.sub(url, parts[position][start:]))
        parts[position] = "".join(pieces)
    return "".join(parts)


def passages(text: str) -> list[str]:
    """Split a chunk into what can be quoted alone: paragraphs, lists, tables and code blocks, each verbatim."""
    blocks: list[str] = []
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if not fence and not line.strip():
            if lines:
                blocks.append("\n".join(lines))
            lines = []
            continue
        lines.append(line)
        if fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif mark and not fence:
            fence = mark[1]
    if lines:
        blocks.append("\n".join(lines))
    return blocks


def best_quote(claim: str, text: str, *, limit: int = 300) -> str:
    """Return the part of `text`, verbatim and at most `limit` characters, that shares most words with `claim`."""
    wanted = words(claim)
    quotes = [
        sentence
        for passage in passages(text)
        for sentence in ([passage] if _FENCE.match(passage) else _sentences(passage))
        if words(sentence)
    ]
    # Prose says more about a source than its code does, so code has to match twice as well.
    best = max(
        quotes,
        key=lambda quote: len(wanted & words(quote)) / (len(words(quote)) + 8) ** 0.5 / (1 + bool(_FENCE.match(quote))),
        default=text,
    )
    if len(best) <= limit:
        return best.strip()
    cut = best[:limit]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"), limit // 2)].strip()


def text_fragment(url: str, quote: str) -> str:
    """Return a link that opens a page with a quote in view, where a browser can do that.

    https://wicg.github.io/scroll-to-text-fragment/: what is looked for is the text as it is shown, so the longest run
    of a quote's words without Markdown between them is taken.
    """
    runs = re.split(r"[`*_|\[\]()<>#~\\{}\n\u2060]|https?:", quote)
    words_ = max((run.split() for run in runs), key=len, default=[])[:12]
    if len(words_) < 3:
        return url
    sought = urllib.parse.quote(" ".join(words_).strip(" .,;:"), safe="").replace("-", "%2D")
    return f"{url}{':~:' if '#' in url else '#:~:'}text={sought}"


def _sentences(passage: str) -> Iterable[str]:
    return SENTENCE_END.split(passage)


def _numbers(match: re.Match[str]) -> list[int]:
    return [int(number) for number in match["numbers"].split(",") if len(number.strip()) < 6]


def _prose(answer: str) -> list[str]:
    return _CODE.split(answer)[::2]
