"""The forms in which language models cite, as markers: `【2†source】`, `[^2]`, `(2)` and `<sup>2</sup>` become `[2]`."""

# ruff: noqa: E501, RUF001 - the patterns are read line by line
from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection

from rag.text.citations import CODE

__all__ = ["normalized", "without_references"]

# The forms in which language models cite: in brackets of any kind, with or without a word for what is cited.
_NAMES = (
    r"(?:sources?|src|n|docs?|documents?|ref(?:erence)?s?|citations?|cit(?:e|ing)|passages?|chunks?|contexts?|notes?|footnotes?|snippets?"
    r"|excerpts?|pages?|articles?|results?|items?|evidence|index|idx|id|no|nr|n°|see|cf|from|via|per|according\s+to|based\s+on|refer\s+to"
    r"|(?:as\s+)?(?:stated|described|noted|mentioned|shown|explained|cited|found|given)\s+(?:in|by)|s|d|quellen?|siehe"
    r"|fuentes?|fontes?|fonti?|документы?|источники?|ист|см|出典|来源|來源|资料|資料|参考|參考|文献|参照|ソース|出处|출처|참고|자료|문서|المصدر|مصدر"
    r"|المصادر|kaynak(?:lar)?|πηγ(?:ή|ές)|स्रोत)"
)
_LABEL = rf"[#№^†@]*(?:{_NAMES}[\s.:：=#_\-№†]*){{0,3}}[#№^†@]*(?:[cst](?=\d))?"
_JOINT = r"(?: |\s*(?:[,;]\s?(?:and|or)\s|,|;|/|&|、|，|and|or|und|oder|et|ou|y|и|與|和|と|및|\+|\||[-–—~‑]|\.{2,3}|…|to|bis)\s*)"
_LIST = rf"{_LABEL}\d{{1,3}}\^?(?:{_JOINT}{_LABEL}\d{{1,3}}\^?)*"
# What may follow the number: the place of a quote, or the title of the source.
_TAIL = r"(?:\s*(?:[:†‡|]|[,.]\s*(?:p|pp|§|section|lines?|l)\b|[-–—]\s+|\.\s)[^\[\]【】［］〔〕\n]{0,80})?"
_OPEN, _SHUT = "[\\[【［〔❲〖⟦⟨〈❨]", "[\\]】］〕❳〗⟧⟩〉❩]"
_AROUND = r"(?:\*\*|__|~~?|\*|_|\\)?"
_BRACKETED = re.compile(
    rf"{_AROUND}{_OPEN}{_AROUND}(?P<double>{_LABEL}{_OPEN})?\s*(?P<list>{_LIST}){_TAIL}\s*{_AROUND}{_SHUT}(?(double){_SHUT}?)"
    r"(?:\(\s*(?:(?:#|<?https?:|/|\./|source|doc|cit)[^()\s]*|\d{1,3})\s*\)|\[\])?"
    rf"{_AROUND}[†‡]?",
    re.IGNORECASE,
)
_RAISED = re.compile(
    rf"<(?P<tag>sup|cite|ref|citation|source|span|a|c|co)\b[^<>\n]{{0,80}}>\s*[\[(]?\s*(?P<list>{_LIST})\s*[\])]?\s*</(?P=tag)\s*>",
    re.IGNORECASE,
)
_EMPTY_TAG = re.compile(
    r"<(?:cite|ref|citation|source|co)\b[^<>\n]{0,40}?(?:id|index|n|ref|source|name|doc)?\s*[=:]\s*[\"']?(?:\w+[-_:])?(?P<list>\d{1,3}(?:\s*,\s*\d{1,3})*)[\"']?\s*(?:/>|>\s*</\w+>|>)",
    re.IGNORECASE,
)
_SUPERSCRIPT = re.compile(
    r"(?:(?<=[^\W\d]{3})|(?<=[.,;:!?。！？、)\]\"'»”’]))\u207d?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,3}(?:[,\u02d2\u2e34\u1427 ]{1,2}[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,3})*\u207e?"
)
_ENDS = r"(?=\s*(?:[.,;:!?。、，；\[]|$))"
# Lowered, it is a citation at the end of a sentence only: H<sub>2</sub>O is none.
_LOWERED = re.compile(rf"(?<=[^\W\d]{{3}})<sub>\s?\[?(?P<list>\d{{1,3}})\]?\s?</sub>{_ENDS}", re.MULTILINE)
_RAISED_NUMBER = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,3}")
_ROUND = re.compile(
    rf"(?<=\S)(?P<space>\s+|(?=（))[(（](?P<list>{_LIST})(?P<tail>{_TAIL})[)）]{_ENDS}", re.IGNORECASE | re.MULTILINE
)
_CARET = re.compile(r"(?<=[\w.!?)])(?P<space>\s?)\^\[?(?P<list>\d{1,3})\]?\^?(?!\w)")
# Forms of LaTeX, of Pandoc and of templates, which are something else within a sentence or where no source has the number.
_TYPESET = re.compile(
    rf"(?P<space>\s?)(?:\\(?:cite|footnote|ref)\{{(?P<cited>{_LIST})\}}|\{{\{{?(?:cite:\s?)?(?P<braced>{_LIST})\}}?\}}"
    rf"|<(?P<angled>\d{{1,3}})>|\$\s?\^\{{?\[?(?P<power>\d{{1,3}})\]?\}}?\s?\$){_ENDS}",
    re.IGNORECASE | re.MULTILINE,
)
# Numbers in circles, at the end of a sentence or in brackets; at its beginning they count steps.
_CIRCLED = re.compile(
    rf"(?<=\S)(?P<space>\s?)(?:[\[【［(（](?P<within>[\u2460-\u249b\u24f5-\u24fe\u2776-\u2793\u2070\u00b9\u00b2\u00b3\u2074-\u2079])[\]】］)）]"
    rf"|(?P<alone>[\u2460-\u249b\u24f5-\u24fe\u2776-\u2793])){_ENDS}",
    re.MULTILINE,
)
_IN_CODE = re.compile(rf"`(?P<marker>\[\d{{1,3}}\])`{_ENDS}", re.MULTILINE)
# In words: "(see [2])", "Sources: [1], [2]" at the end of a line, "according to source 2".
_MARKERS = r"\[\d+\](?:\s?[,;]?\s?(?:and\s|&\s)?\[\d+\]){0,9}"
_SEE = re.compile(rf"[(（]\s*(?:{_NAMES}[\s.:：]{{0,3}}|[→⇒»]\s?)(?P<markers>{_MARKERS})\s*[)）]", re.IGNORECASE)
_BEHIND = re.compile(
    rf"(?<=\w) [*_]*(?:sources?|refs?\.?|references?|citations?|quellen?|fuentes?|fontes?|fonti)\s?:[*_]*\s?(?P<markers>{_MARKERS})[*_]*(?=\.?[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
# What is left around a marker of a directive, an attribute, a title in brackets, and words between markers at an end.
_DIRECTIVE = re.compile(
    r"(?<![\w:]):{0,2}(?:cite|citation|footnote):?(?=\[\d+\])|(?<=\d\])\{[.:#][\w=. -]{1,40}\}", re.IGNORECASE
)
_TITLED = re.compile(
    rf"\[[^\[\]\n]{{1,40}}(?P<within>{_MARKERS})\]|(?<=\s)\[(?!\d+\])[^\[\]\n]{{1,60}}\](?P<behind>\[\d+\])"
)
_JOINED = re.compile(rf"(?<=\d\])\s?(?:and|or|und|et|y|&|/|[-–—])\s?(?=(?:\[\d+\]){{1,9}}{_ENDS})", re.MULTILINE)
_LAST = re.compile(
    rf"(?P<before>^|(?<=[.!?。])\s+)[*_]*{_NAMES}[*_]*\s*[:：][*_]*\s*(?P<list>\[?\d{{1,3}}\]?(?:[\s,;&]*(?:and\s+)?\[?\d{{1,3}}\]?)*)[*_]*\.?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAMED = re.compile(
    r"\b(?:sources?|documents?|passages?|excerpts?|snippets?)\s+#?(?P<list>\d{1,2}(?:(?:\s*,\s*|\s+and\s+)\d{1,2})*)(?![\w%]|\.\d)",
    re.IGNORECASE,
)
# Marks of the interfaces of vendors, whose numbers are not those of the sources: the sentence is left without a marker.
_SPAN_MARKS = re.compile(
    r"\[/?cite(?:_start|_end)?\]|\ue200.*?\ue201|\s?:contentReference\[oaicite:\d{1,3}\](?:\{index=\d{1,3}\})?"
    r"|\s?(?:(?:file)?cite|\b)turn\d{1,3}(?:search|file|news|view|fetch)\d{1,3}"
    r"|\s?<grok:render\b[^<>]{0,200}>(?:<argument\b[^<>]{0,80}>[^<>]{0,80}</argument>){0,4}</grok:render>"
)
_RANGE = re.compile(r"(\d{1,3})\s*(?:[-–—~‑]|\.{2,3}|…|to|bis)\s*(\d{1,3})")
_LONGEST_RANGE = 10
_REFERENCES = re.compile(
    r"\W*(?:(?:list\s+of\s+)?(?:references?|sources?|citations?|footnotes?|bibliography|works\s+cited|sources\s+used|quellen\w*|literatur|fuentes"
    r"|referencias|références|fonti|riferimenti|fontes|referências|источники|ссылки|литература|参考文献|参考资料|參考資料|来源|出典|参考|引用|출처|참고\s?문헌|المصادر|المراجع|kaynaklar|πηγές|स्रोत))\W*",
    re.IGNORECASE,
)
_REFERENCE_LINE = re.compile(
    r"\s*(?:[-*+]\s+)?(?:\*\*)?(?:[\[【［(]\W?\d{1,3}\W?[\]】］)](?:\([^()\n]*\))?|\d{1,3}[.):])(?:\*\*)?\s*[:.\-–—]?\s*(?P<title>.*)$"
)
_MARKER = re.compile(r"\[\d+\]")
_DEFINED = re.compile(r"^[ \t]*(?P<marker>\[\d{1,3}\]):[ \t]+(?P<rest>[^\n]+)$", re.MULTILINE)
_STARTS_LINK = re.compile(r"<?(?:\w+:|www\.|[/#.])")
_BRACKET_ENTITY = re.compile(r"&(?:#91|#93|#x5b|#x5d|lbrack|rbrack|lsqb|rsqb);", re.IGNORECASE)


def normalized(text: str, known: Collection[int]) -> str:
    """Return a text in which every form of a citation is a marker: `【2†source】`, `[^2]`, `(2)`, `<sup>2</sup>` are `[2]`.

    Code stays as it is.

    :param known: numbers of sources; a bare number in round brackets or raised is a citation only if it is one of them
    """
    parts = CODE.split(_IN_CODE.sub(lambda match: match["marker"], _SPAN_MARKS.sub("", text)))
    parts[::2] = [_with_markers(part, known) for part in parts[::2]]
    return "".join(parts)


def without_references(text: str) -> str:
    """Return a block, or a whole answer, without the list of its references, which repeats the sources' titles."""
    lines = text.split("\n")
    first = next((place for place, line in enumerate(lines) if line.strip() and _REFERENCES.fullmatch(line)), None)
    if first is not None:
        last = first + 1
        while last < len(lines) and (not lines[last].strip() or _REFERENCE_LINE.match(lines[last])):
            last += 1
        lines[first:last] = []
    elif any(map(_is_reference, lines)) and all(_is_reference(line) for line in lines if line.strip(" -*_=")):
        return ""
    return "\n".join(lines)


def _is_reference(line: str) -> bool:
    """Return whether a line is the entry of a list of references: a marker, and a title or an address, but no sentence."""
    entry = _REFERENCE_LINE.match(line)
    if entry is None or not line.lstrip(" -*+").startswith(("[", "【", "［", "(")):
        return False
    title = entry["title"].strip()
    return bool(title) and not title.endswith((".", "!", "。")) and len(title) < 120 and not _MARKER.search(title)


def _with_markers(text: str, known: Collection[int]) -> str:
    def always(match: re.Match[str]) -> str:
        numbers = _listed(match["list"])
        return "".join(f"[{number}]" for number in numbers) if numbers else match[0]

    def if_known(match: re.Match[str]) -> str:
        numbers = _listed(match["list"])
        is_named = not match["list"][:1].isdigit()
        if not numbers or not (is_named or set(numbers) <= set(known)) or (match["tail"] and not is_named):
            return match[0]
        return match["space"] + "".join(f"[{number}]" for number in numbers)

    def raised(match: re.Match[str]) -> str:
        numbers = [int(unicodedata.normalize("NFKC", run)) for run in _RAISED_NUMBER.findall(match[0])]
        return "".join(f"[{number}]" for number in numbers) if set(numbers) <= set(known) else match[0]

    def bare(match: re.Match[str]) -> str:
        numbers = _listed(match["list"])
        before = match.groupdict().get("before") or match.groupdict().get("space") or ""
        return before + "".join(f"[{number}]" for number in numbers) if set(numbers) <= set(known) else match[0]

    def typeset(match: re.Match[str]) -> str:
        numbers = _listed(next(filter(None, match.group("cited", "braced", "angled", "power"))))
        return match["space"] + "".join(f"[{number}]" for number in numbers) if set(numbers) <= set(known) else match[0]

    def circled(match: re.Match[str]) -> str:
        number = round(unicodedata.numeric(match["within"] or match["alone"]))
        return f"{match['space']}[{number}]" if number in known else match[0]

    if "&" in text:
        text = _BRACKET_ENTITY.sub(lambda match: html.unescape(match[0]), text)
    text = text if text.isascii() else _CIRCLED.sub(circled, text)
    if "<" in text or "{" in text or "$" in text:
        text = _TYPESET.sub(typeset, text)
    if "<" in text:
        text = _LOWERED.sub(bare, _EMPTY_TAG.sub(always, _RAISED.sub(always, text)))
    text = _SEE.sub(_only_markers, _TITLED.sub(_titled, _DIRECTIVE.sub("", _BRACKETED.sub(always, text))))
    text = _JOINED.sub("", _BEHIND.sub(lambda match: f" {_only_markers(match)}", text))
    text = _ROUND.sub(if_known, _LAST.sub(bare, text))
    text = _DEFINED.sub(_sentence, _CARET.sub(bare, _NAMED.sub(bare, text)))
    return text if text.isascii() else _SUPERSCRIPT.sub(raised, text)


def _sentence(match: re.Match[str]) -> str:
    """Return a sentence behind its marker; the definition of a link stays as it is."""
    rest = match["rest"].rstrip()
    is_sentence = rest.endswith((".", "!", "。")) and len(rest.split()) > 3 and not _STARTS_LINK.match(rest)
    return f"{match['marker']} {rest}" if is_sentence else match[0]


def _only_markers(match: re.Match[str]) -> str:
    return "".join(_MARKER.findall(match["markers"]))


def _titled(match: re.Match[str]) -> str:
    return match["behind"] or "".join(_MARKER.findall(match["within"]))


def _listed(text: str) -> list[int]:
    """Return the numbers of a list such as "1, 3-5"; a range has at most ten."""
    numbers: dict[int, None] = {}
    rest = 0
    for span in _RANGE.finditer(text):
        first, last = int(span[1]), int(span[2])
        if first <= last < first + _LONGEST_RANGE:
            numbers.update(dict.fromkeys(map(int, re.findall(r"\d+", text[rest : span.start()]))))
            numbers.update(dict.fromkeys(range(first, last + 1)))
            rest = span.end()
    numbers.update(dict.fromkeys(map(int, re.findall(r"\d+", text[rest:]))))
    return list(numbers)
