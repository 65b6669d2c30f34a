"""Cut code out of a text before it is searched for a generator's syntax, and put it back afterwards.

A placeholder is a kind and a number between two NULs; the text holds no other NULs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import PurePosixPath

from rag.sources.markup import directives
from rag.sources.markup.code import LANGUAGES, fenced
from rag.sources.markup.directives import Directive
from rag.sources.markup.includes import Included, expanded, markdown_target, shown_rust, snippet_target
from rag.sources.markup.indented import indented_code
from rag.sources.markup.inline import code_spans
from rag.sources.markup.shortcodes import Tag, read_tag
from rag.sources.names import names
from rag.text.blocks import Fence, open_fence

__all__ = ["CLOSING", "OPENING", "Verbatim", "closing_line", "indentation", "opening_line", "sub_before_last"]

# The title of a code block: title=… in MkDocs, Docusaurus and Nextra, [title] in VitePress and Nuxt, words after the
# language in Mintlify.
_TITLE = re.compile(
    r"""(?:title|filename|file|caption|label)=(["'])(.+?)\1|\[(?P<tab>[^\[\]\d,][^\[\]]*)\]\s*$|"""
    r"""^\s*[\w+#.-]+\s+(?!(?:showLineNumbers|live|copy|nocopy|wrap|twoslash|expandable|lines|ignore|test)\b)"""
    r"""(?P<words>\w[\w .()/-]*)$"""
)
_PRE = re.compile(r"^[ \t]*<pre\b[^<>]*>(.*?)</pre>[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:lang(?:uage)?[-=\"']+)([\w+#-]+)")
#: Behind the language, what a highlighter or a test shall do: {1,3-4}, :line-numbers, ,editable.
_SETTINGS = re.compile(r"^\s*[\w+#.-]+\s*(?:\{.*\}|:(?:no-)?line-numbers\b.*|(?:,[\w=.-]+)+)\s*$")
# MyST's directives: {name} argument behind a fence, or behind colons.
_FENCED_DIRECTIVE = re.compile(r"^\s*\{([A-Za-z][\w:.-]*)\}[ \t]*(.*)$")
#: Code that Quarto, R Markdown and admonish run or lay out: {python}, {r setup, echo=FALSE}.
_CELL = re.compile(
    r"^\s*\{\s*(python|r|julia|bash|sh|zsh|sql|ojs|js|javascript|typescript|rust|stan|rcpp|go|ruby|perl|octave|"
    r"powershell|css|html|scala|fortran|webr|pyodide)(?:[-\s,][^{}]*)?\}\s*$",
    re.IGNORECASE,
)
_CELL_OPTION = re.compile(r"^\s*(?:#|//|--|%%)\|\s")
#: A note of mdBook's admonish, or of Obsidian's admonitions.
_NOTE_FENCE = re.compile(r"^\s*(?:admonish[ \t]*|ad-)(\w*)")
_COLONS = re.compile(r"^([ \t]*)(:{3,})[ \t]*\{([A-Za-z][\w:.-]*)\}(.*)$")
_MAX_DEPTH = 20
#: How deep files may include each other.
_MAX_INSERTED = 3
#: The most files that a text may include.
_MAX_INSERTIONS = 100
_ROLE = re.compile(r"\{([A-Za-z][\w:+.-]{0,36})\}$")
_CODE_ROLES = names(
    "code func meth class mod attr data exc obj const type macro member struct option envvar program file command kbd "
    "samp literal math func meth confval setting directive role cmd key raw tt py js c cpp function method module "
    "keyword token eval"
)
# Tags whose content is code: Jekyll's and Hugo's highlight, Hexo's codeblock, Hugo's own code-toggle.
_CODE_TAGS = names("highlight codeblock code-toggle code prism snippet codeblocks terminal")
_RAW_LINE = re.compile(r"^\s*\{%-?\s*(?:end)?raw\s*-?%\}\s*$")
_RAW = re.compile(r"\{%-?[ \t]*raw[ \t]*-?%\}(.*?)\{%-?[ \t]*endraw[ \t]*-?%\}", re.DOTALL)
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

    def __init__(self, included: Included = lambda _: None) -> None:
        """Hold no code yet.

        :param included: returns the text of a file whose code the text includes
        """
        self._included = included
        self._insertions = 0
        self._blocks: list[_Block] = []
        self._spans: list[str] = []
        #: tags of code without a closing tag in the rest of the text
        self._unclosed: set[str] = set()

    def cut(self, text: str, *, mdx: bool = False) -> str:
        """Return a text without NULs, its code blocks, <pre> elements and code spans replaced by placeholders.

        :param mdx: indented text is no code
        """
        lines = list(self._without_blocks(text.replace("\0", "").split("\n")))
        text = "\n".join(lines if mdx else self._without_indented(lines))
        text = sub_before_last("</pre>", _PRE, self._cut_pre, text)
        # Behind the last end of a raw part, none is sought.
        stop = text.find("%}", text.rfind("endraw")) + 2 if "endraw" in text else 0
        text = _RAW.sub(self._cut_raw, text[:stop]) + text[stop:]
        return self._without_spans(text) if "`" in text else text

    def restore(self, lines: Iterable[str]) -> str:
        """Join lines and put the code back, without the indentation that its component gave it."""
        return self._with_spans("\n".join(self._with_blocks(lines)))

    def _without_blocks(self, lines: Sequence[str], depth: int = 0) -> Iterator[str]:
        at = 0
        while at < len(lines):
            line = lines[at]
            at += 1
            if fence := open_fence(line, nested=True):
                end = next((end for end in range(at, len(lines)) if fence.is_closed_by(lines[end])), len(lines))
                yield from self._fence(fence, line, lines[at:end], lines[end : end + 1], depth)
                at = end + 1
            elif match := _COLONS.match(line):
                directive = Directive(match[3].lower(), match[4].strip())
                end, after = self._end_of_colons(directive, match[2], lines, at)
                yield from self._directive(directive, match[1], lines[at:end], depth)
                at = after
            elif (tag := read_tag(line)) and (end := self._end_of_code(tag, lines, at)):
                yield from self._tagged(tag, line[: indentation(line)], lines[at:end])
                at = end + 1
            elif shown := snippet_target(line):
                yield from self._snippet(*shown)
            elif (target := markdown_target(line)) and depth < _MAX_INSERTED:
                yield from self._without_blocks(self._inserted(target), depth + 1)
            else:
                yield line

    def _fence(
        self, fence: Fence, line: str, inner: Sequence[str], closing: Sequence[str], depth: int
    ) -> Iterator[str]:
        """Yield the placeholder of a fenced block, below its title; MyST writes directives as fences."""
        if match := _CELL.match(fence.info):
            shown = [one for one in inner if not _CELL_OPTION.match(one)]
            yield from self._code(shown, match[1].lower(), "", " " * len(fence.before))
            return
        if (directive := _directive_of(fence)) and depth < _MAX_DEPTH:
            yield from self._directive(directive, " " * len(fence.before), inner, depth + 1)
            return
        title = _TITLE.search(fence.info)
        first = line[len(fence.before) :]
        if title and not fence.before.strip():
            # Generators show the title above the code; only the language stays in the fence.
            yield from ("", f"{fence.before}**{title[2] or title['tab'] or title['words']}**", "")
            first = f"{fence.mark}{_language(fence)}"
        elif match := _ATTRIBUTES.match(fence.info):
            first = f"{fence.mark}{match[1]}"
        elif _SETTINGS.match(fence.info):
            first = f"{fence.mark}{_language(fence)}"
        code = list(expanded(inner, self._included)) if any("{{" in one for one in inner) else inner
        if _language(fence) == "rust":
            code = list(shown_rust(code))
        if code or not inner:
            yield self._put(_Block(fence.before, (first, *code, *closing)))

    def _directive(self, directive: Directive, margin: str, inner: Sequence[str], depth: int) -> Iterator[str]:
        """Yield what readers see of a directive of MyST."""
        options, count = directives.read_options(inner)
        directive = Directive(directive.name, directive.argument, options)
        if directives.is_hidden(directive.name):
            yield ""
        elif directives.is_code(directive.name):
            target = directives.target_of(directive)
            found = self._included(target) if target else None
            if target and found is None:
                yield from (f"{margin}[{PurePosixPath(target).name}]({target})", "")
            code = list(inner[count:]) if found is None else found.rstrip("\n").split("\n")
            yield from self._code(code, directives.language_of(directive), options.get("caption", ""), margin)
        else:
            yield from ("", *(f"{margin}{line}" for line in directives.label_of(directive)))
            yield from (*self._without_blocks(inner[count:], depth), "")

    def _end_of_colons(self, directive: Directive, mark: str, lines: Sequence[str], start: int) -> tuple[int, int]:
        """Return the end of what a directive takes, and where to go on: all of code, else only its options."""
        if (directives.is_code(directive.name) or directives.is_hidden(directive.name)) and mark not in self._unclosed:
            for end in range(start, len(lines)):
                if lines[end].strip() == mark:
                    return end, end + 1
            self._unclosed.add(mark)
        end = start + directives.read_options(lines[start : start + 50])[1]
        return end, end

    def _end_of_code(self, tag: Tag, lines: Sequence[str], start: int) -> int:
        """Return the line that closes a tag whose content is code; 0 if there is none."""
        if tag.is_end or tag.name not in _CODE_TAGS or tag.name in self._unclosed:
            return 0
        for end in range(start, len(lines)):
            if tag.name in lines[end] and (other := read_tag(lines[end])) and other.is_end and other.name == tag.name:
                first = next((line for line in lines[start:end] if line.strip()), "")
                return 0 if open_fence(first) or "\0" in first else end
        self._unclosed.add(tag.name)
        return 0

    def _tagged(self, tag: Tag, margin: str, inner: Sequence[str]) -> Iterator[str]:
        code = [line for line in inner if not _RAW_LINE.match(line)]
        words = [word for word in tag.others if word.lower() not in ("linenos", "linedivs", "copy")]
        language = tag.named.get("lang") or tag.named.get("language") or (words[0] if words else "")
        title = tag.first(("title", "filename", "file", "caption"))
        yield from self._code(code, re.sub(r"[^\w+#.-].*", "", language), title if title != "hugo" else "", margin)

    def _inserted(self, path: str) -> list[str]:
        """Return the lines of a Markdown file that the text includes, until there are too many."""
        text = self._included(path) if self._insertions < _MAX_INSERTIONS else None
        self._insertions += 1 + len(text or "") // 10_000
        return text.replace("\0", "").split("\n") if text else []

    def _snippet(self, path: str, title: str) -> Iterator[str]:
        found = self._included(path)
        if found is not None:
            yield from self._code(
                found.rstrip("\n").split("\n"), LANGUAGES.get(PurePosixPath(path).suffix, ""), title, ""
            )

    def _code(self, code: Sequence[str], language: str, title: str, margin: str) -> Iterator[str]:
        if title:
            yield from ("", f"{margin}**{title}**")
        yield ""
        filled = [at for at, line in enumerate(code) if line.strip()]
        if filled:
            code = code[filled[0] : filled[-1] + 1]
            yield self._put(_Block(margin, tuple(fenced("\n".join(code), language).split("\n"))))
        yield ""

    def _without_indented(self, lines: Sequence[str]) -> Iterator[str]:
        at = 0
        for start, end in indented_code(lines):
            yield from lines[at:start]
            code = list(self._with_blocks(lines[start:end]))  # what looks like a fence is code, too
            width = indentation(code[0])
            yield self._put(_Block(code[0][:width], (code[0][width:], *code[1:])))
            at = end
        yield from lines[at:]

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

    def _cut_raw(self, match: re.Match[str]) -> str:
        return match[1] if _BLOCK.search(match[1]) else self._put_span(match[1])

    def _put_span(self, text: str) -> str:
        self._spans.append(self._with_spans(text))
        return f"\0S{len(self._spans) - 1}\0"

    def _with_spans(self, text: str) -> str:
        return _SPAN.sub(lambda match: self._spans[int(match[1])], text)

    def _without_spans(self, text: str) -> str:
        paragraphs = re.split(r"(\n[ \t>]*\n)", text)
        for position in range(0, len(paragraphs), 2):
            paragraph = paragraphs[position]
            pieces: list[str] = []
            kept = 0
            for start, end in code_spans(paragraph).items():
                before, shown = _without_role(paragraph[kept:start], paragraph[start:end])
                pieces += [before, self._put_span(shown)]
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


def _without_role(before: str, span: str) -> tuple[str, str]:
    """Return the text before a code span, and what readers see of it: MyST writes roles as {ref}`target`."""
    match = _ROLE.search(before[-40:]) if before.endswith("}") else None
    if match is None:
        return before, span
    before, name = before[: len(before) - len(match[0])], match[1].rpartition(":")[2]
    if name in _CODE_ROLES:
        return before, span
    inner = span.strip("`").strip()
    title, pointed, _ = inner.partition("<")
    if inner.isdigit():
        return before, f"{name.upper()} {inner}" if name in ("pep", "rfc") else f"#{inner}"
    return before, title.strip() if pointed and title.strip() else inner.strip("<>").lstrip("~!")


#: The language of code among Pandoc's attributes.
_ATTRIBUTES = re.compile(r"\s*\{\s*\.([\w+#-]+)[^{}]*\}\s*$")


def _directive_of(fence: Fence) -> Directive | None:
    """Return the directive that a fence is, of MyST or of admonish; None for code."""
    if match := _FENCED_DIRECTIVE.match(fence.info):
        return Directive(match[1].lower(), match[2].strip())
    if match := _NOTE_FENCE.match(fence.info):
        title = _TITLE.search(fence.info)
        return Directive("admonition", (title[2] if title else "") or (match[1] or "note").capitalize())
    return None


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
