"""Cut code out of a text before it is searched for a generator's syntax, and put it back afterwards.

A placeholder is a kind and a number between two NULs; the text holds no other NULs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape

from rag.sources.markup.code import fenced
from rag.sources.markup.inline import code_spans
from rag.text.blocks import Fence, open_fence

__all__ = ["CLOSING", "OPENING", "Verbatim", "closing_line", "indentation", "opening_line", "sub_before_last"]

# The title of a code block: title=… in MkDocs, Docusaurus and Nextra, words after the language in Mintlify.
_TITLE = re.compile(
    r"""(?:title|filename|file|caption|label)=(["'])(.+?)\1|"""
    r"""^\s*[\w+#.-]+\s+(?!(?:showLineNumbers|live|copy|nocopy|wrap|twoslash|expandable|lines|ignore|test)\b)"""
    r"""(\w[\w .()/-]*)$"""
)
_PRE = re.compile(r"^[ \t]*<pre\b[^<>]*>(.*?)</pre>[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:lang(?:uage)?[-=\"']+)([\w+#-]+)")
_BLOCK = re.compile("\0F(\\d+)\0")
_SPAN = re.compile("\0S(\\d+)\0")
#: The line that opens the content of a component; group 2 is the number of its label.
OPENING = re.compile("^([ \t]*)\0O(\\d+)\0$")
#: The line that closes it.
CLOSING = re.compile("^[ \t]*\0C\0$")


def opening_line(margin: str, label: int) -> str:
    """Return the line that opens the content of a component."""
    return f"{margin}\0O{label}\0"


def closing_line(margin: str) -> str:
    """Return the line that closes the content of a component."""
    return f"{margin}\0C\0"


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of a code block, and the indentation or marks before its first line."""

    before: str
    lines: tuple[str, ...]


class Verbatim:
    """The code of one text."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._spans: list[str] = []

    def cut(self, text: str) -> str:
        """Return a text without NULs, its code blocks, <pre> elements and code spans replaced by placeholders."""
        text = "\n".join(self._without_fences(text.replace("\0", "")))
        text = sub_before_last("</pre>", _PRE, self._cut_pre, text)
        return self._without_spans(text) if "`" in text else text

    def restore(self, lines: Iterable[str]) -> str:
        """Join lines and put the code back, without the indentation that its component gave it."""
        return _SPAN.sub(lambda match: self._spans[int(match[1])], "\n".join(self._with_blocks(lines)))

    def _without_fences(self, text: str) -> Iterator[str]:
        lines = iter(text.split("\n"))
        for line in lines:
            fence = open_fence(line, nested=True)
            if fence is None:
                yield line
                continue
            kept = [line[len(fence.before) :]]
            title = _TITLE.search(fence.info)
            if title and not fence.before.strip():
                # Generators show the title above the code; only the language stays in the fence.
                yield from ("", f"{fence.before}**{title[2] or title[3]}**", "")
                kept = [f"{fence.mark}{_language(fence)}"]
            for inner in lines:
                kept.append(inner)
                if fence.is_closed_by(inner):
                    break
            yield self._put(_Block(fence.before, tuple(kept)))

    def _put(self, block: _Block) -> str:
        self._blocks.append(block)
        return f"{block.before}\0F{len(self._blocks) - 1}\0"

    def _cut_pre(self, match: re.Match[str]) -> str:
        """Replace preformatted HTML by the placeholder of a fenced block."""
        if "\0" in match[1]:
            return match[0]
        code = unescape(re.sub(r"</?[A-Za-z][^<>]*>", "", match[1])).strip("\n")
        language = _LANGUAGE.search(match[0].partition("\n")[0])
        block = fenced(code, language[1] if language else "")
        return f"\n{self._put(_Block('', tuple(block.split(chr(10)))))}\n"

    def _without_spans(self, text: str) -> str:
        paragraphs = re.split(r"(\n[ \t>]*\n)", text)
        for position in range(0, len(paragraphs), 2):
            paragraph = paragraphs[position]
            pieces: list[str] = []
            kept = 0
            for start, end in code_spans(paragraph).items():
                self._spans.append(paragraph[start:end])
                pieces += [paragraph[kept:start], f"\0S{len(self._spans) - 1}\0"]
                kept = end
            paragraphs[position] = "".join([*pieces, paragraph[kept:]])
        return "".join(paragraphs)

    def _with_blocks(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            match = _BLOCK.search(line)
            if not match:
                yield line
                continue
            block = self._blocks[int(match[1])]
            before = line[: match.start()]
            shift = max(0, len(block.before) - len(before)) if not before.strip() else 0
            first, *rest = block.lines
            yield f"{before}{first}"
            for inner in rest:
                yield inner[min(shift, indentation(inner)) :] if shift else inner


def _language(fence: Fence) -> str:
    match = re.match(r"[\w+#.-]*", fence.info.strip())
    return match[0] if match else ""


def sub_before_last(end: str, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str], text: str) -> str:
    """Substitute matches of a pattern that ends with `end`, without searching what follows the last `end`.

    Such a search would run to the end of the text for every opening mark that is never closed.
    """
    stop = text.rfind(end) + len(end)
    return pattern.sub(replacement, text[:stop]) + text[stop:] if stop >= len(end) else text


def indentation(line: str) -> int:
    """Return how many spaces and tabs a line begins with."""
    return len(line) - len(line.lstrip(" \t"))
