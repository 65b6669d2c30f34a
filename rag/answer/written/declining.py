"""Whether a language model says that the sources do not contain the answer: with NO_ANSWER, or in its own words."""

# ruff: noqa: E501, RUF001 - the patterns are read line by line
from __future__ import annotations

import re

from rag.text.citations import MARKERS
from rag.text.sentences import sentences

__all__ = ["NO_ANSWER", "declines", "is_no_answer", "may_decline", "without_declining"]

#: The reply that a language model is told to give if the chunks do not contain the answer.
NO_ANSWER = "NO_ANSWER"
_EXACT = re.compile(rf"\b{NO_ANSWER}\b")
_WHOLE = re.compile(
    r"\W*(?:no[\s_-]?answer|n/a|not\s+(?:answered|found|mentioned)|(?:not\s+enough|insufficient)\s+information)\W*",
    re.IGNORECASE,
)

_SOURCES = r"(?:sources?|contexts?|documents?|documentation|passages?|excerpts?|texts?|materials?|information|snippets?|articles?)"
_PROVIDED = r"(?:provided|given|numbered|available|retrieved|supplied|above)"
# "The document" may be what a sentence is about; the sources and the given document are what the model has read.
_THE_SOURCES = (
    rf"(?:{_PROVIDED}\s+{_SOURCES}|{_SOURCES}\s+{_PROVIDED}|sources?|context|documentation|passages|excerpts|snippets)"
)
_GIVEN = rf"(?:{_PROVIDED}|these|those|the|any|of|in|from|\[\d+\]|{_SOURCES}|,|and|or)"
_NOT = r"(?:do(?:es)?\s+not|don't|doesn't|did\s+not|didn't|cannot|can't|(?:is|are|was|were)\s+not|isn't|aren't|fails?\s+to|never|lacks?)"
_ALSO = r"(?:(?:also|alone|themselves|itself|here|simply|just|actually|unfortunately|\[\d+\]|appear\s+to|seem\s+to|explicitly|directly|really|\w+ly)\s+){0,3}"
_SAY = (
    r"(?:contain|mention|answer|provide|include|specify|say|state|cover|address|describe|discuss|explain|give|have|offer|indicate"
    r"|tell|show|clarify|contained|mentioned|answered|provided|included|specified|stated|covered|addressed|described|discussed|sufficient|clear)\b"
)
# What they do not say is the answer, or nothing that the sentence names: "the sources do not contain binaries" answers.
_THE_ANSWER = (
    r"(?:(?:\s+\S+){0,4}?\s+(?:answers?|questions?|information|info|details?|mention|guidance|this|that|it|how|what|whether|why|when|where"
    r"|which|if|such|any|anything|enough|about|on)\b|\W*$)"
)
_DECLINES = re.compile(
    rf"(?:\w+[\s,]+){{0,5}}?\b{_THE_SOURCES}(?:[\s,]*\[\d+\])*\s+{_ALSO}{_NOT}\s+{_ALSO}(?:{_SAY}{_THE_ANSWER}|(?:(?:any|enough|sufficient)\s+)?(?:information|details?|answer)\b)"
    rf"|(?:\w+[\s,]+){{0,6}}?there(?:'s|\s+is|\s+was|\s+are)\s+(?:no|not\s+enough|insufficient|nothing)\s+(?:\w+\s+){{0,4}}?(?:the\s+|provided\s+|given\s+){{0,2}}(?:{_THE_SOURCES}|answer|mention|information|details?)\b"
    rf"|(?:\w+[\s,]+){{0,3}}?there(?:\s+is|\s+are)?(?:n't|\s+not)\s+(?:enough|any)\s+(?:\w+\s+){{0,4}}?{_THE_SOURCES}\b"
    rf"|(?:\w+[\s,]+){{0,3}}?no\s+(?:relevant\s+|specific\s+|such\s+)?(?:information|answer|details?|mention)\b.{{0,60}}\b(?:{_THE_SOURCES}|found|provided|available)\b"
    rf"|(?:\w+[\s,]+){{0,6}}?(?:i|we)(?:'m|\s+am)?\s+(?:sorry|afraid|(?:was\s+|am\s+|are\s+)?(?:unable|not\s+able)\s+to|(?:do\s+not|don't)\s+(?:know|have|see\s+any|find)|(?:see|found|find|have)\s+(?:no|nothing)|(?:cannot|can't|could\s+not|couldn't)\s+(?:find|answer|determine|locate|tell|see))\b"
    rf"|(?:(?:it|this|that)|the\s+(?:answer|question)|this\s+question)(?:'s)?\s+(?:\w+\s+){{0,3}}?(?:{_NOT}|cannot\s+be|not)\s+(?:be\s+)?(?:\w+\s+){{0,2}}?(?:answered|found|mentioned|specified|stated|covered|determined|described|addressed|contained|documented|in|something)\b(?:.{{0,60}}\b{_THE_SOURCES}\b|\W*$)"
    r"|unable\s+to\s+(?:answer|find|determine)\b"
    rf"|(?:\w+[\s,]+){{0,5}}?\b{_SOURCES}(?:\s+{_GIVEN}){{0,3}}\s+(?:have|has|contains?|gives?|offers?|provides?|makes?|includes?|lacks?|(?:is|are)\s+insufficient)\s+(?:(?:no|nothing|little|to|any)\s+)?(?:\w+\s+){{0,2}}?(?:information|mention|details?|answer|reference|guidance|explanation|about|regarding)\b"
    rf"|(?:\w+[\s,]+){{0,5}}?(?:none|neither|nothing|no)\s+(?:(?:of|in|from)\s+)?(?:{_GIVEN}\s+){{0,3}}?sources?\b"
    rf"|(?:\w+[\s,]+){{0,5}}?(?:none|neither|nothing)\s+(?:of|in|from)\s+(?:{_GIVEN}\s+){{0,3}}?{_THE_SOURCES}\b"
    rf"|(?:\w+[\s,]+){{0,5}}?\b{_THE_SOURCES}(?:\s+{_GIVEN}){{0,3}}\s+(?:is|are|remains?)\s+silent\b"
    rf"|(?:\w+[\s,]+){{0,8}}?it(?:'s|\s+is)\s+(?:not\s+possible|impossible|unclear\s+how)\s+(?:for\s+me\s+)?to\s+(?:answer|determine|say|tell|know)\b"
    rf"|not\s+(?:\w+\s+){{0,2}}?(?:mentioned|found|specified|stated|covered|described|documented|answered|available)\s+(?:in|by)\s+(?:{_GIVEN}\s+){{0,3}}?{_THE_SOURCES}\b"
    rf"|(?:\w+\s+){{0,5}}?(?:beyond|outside)\s+the\s+scope\s+of\s+(?:{_GIVEN}\s+){{0,3}}?{_THE_SOURCES}\b"
    rf"|insufficient\s+information\b",
    re.IGNORECASE,
)
# What may decline in any language: a word for what the model has read, or was to write, and a negation.
_READ = (
    r"\b(?:sources?|contexte?s?|documentation|passages|excerpts|snippets|quellen?|unterlagen|kontext|réponse|répondre|documents\s+fournis|informations?|fuentes?|respuesta"
    r"|contexto|información|fontes?|resposta|informaç\w+|fonti?|risposta|informazion\w|contesto|источник\w*|контекст\w*|ответ\w*|информаци\w*"
    r"|kaynak\w*|bilgi\w*|cevap\w*|yanıt\w*|bronn\w+|antwoord|źród\w+|odpowied\w+|källor\w*|svar\w*|nguồn)\b"
    r"|来源|來源|资料|資料|文档|文檔|上下文|信息|回答|答案|情報|ソース|出典|文書|答え|출처|소스|자료|문서|정보|답|المصادر|المصدر|معلومات|إجابة|الإجابة|स्रोत|जानकारी|उत्तर"
)
_NEGATION = (
    r"\b(?:not|no|none|neither|nor|cannot|unable|insufficient|lacks?|nothing|unclear|only|nicht|keine?[nmrs]?|nichts|pas|aucune?|rien|ningun[oa]?|nada"
    r"|não|nenhum\w*|non|nessun\w*|niente|не|нет|ни|yok|değil|\w+m[ıiuüae]\w{0,2}(?:yor|kte\w*)|\w+maz|\w+mez|niet|geen|niets|nie|brak|inte|inget|ingen|không|لا|لم|ليس|لن)\b"
    r"|n't\b|没有|沒有|无|無|未|不|ない|ません|なかった|없|않|못|नहीं"
)
_NEGATED = re.compile(_NEGATION, re.IGNORECASE)
_MAY_DECLINE = re.compile(rf"(?=.*?(?:{_NEGATION})).*?(?:{_READ})", re.IGNORECASE | re.DOTALL)
# What follows makes a claim nevertheless: "The sources do not say it, so it is 500", "… not named; use port 7777".
_CONCLUDES = re.compile(
    r"(?:(?:even\s+)?though|although|while)\b[^,]*,(?P<other>.+)|.*?[,;:–—]\s*(?:and\s+)?(?:(?:so|thus|hence|therefore|consequently|which\s+means|meaning)\b(?P<conclusion>.+)"
    r"|(?:but|yet|however|though|instead|use|set|run|pass|try|it\s+is|it's|they\s+are)\b(?!\s+(?:they|the\s+(?:sources?|documentation|context))\b)(?P<claim>.*?(?:\d|`|\s--?\w).*))",
    re.IGNORECASE | re.DOTALL,
)
_CODE = re.compile(r"[{}<>=]")
_LONGEST = 300


def is_no_answer(text: str) -> bool:
    """Return whether a reply, or a part of it, is the one that a language model is told to give."""
    return bool(_EXACT.search(text) or _WHOLE.fullmatch(text))


def declines(sentence: str) -> bool:
    """Return whether a sentence says that the sources do not contain the answer, and claims nothing else."""
    plain = _plain(sentence)
    return bool(_DECLINES.match(plain)) and not _claims(plain)


def may_decline(text: str) -> bool:
    """Return whether one of the first two sentences may say so, in any language; for text that no source supports."""
    said = map(_plain, sentences(text, finer=True)[:2])
    return any(
        _MAY_DECLINE.match(sentence) and not _CODE.search(sentence) and not _claims(sentence) for sentence in said
    )


def _claims(sentence: str) -> bool:
    """Return whether a sentence that may decline goes on with a claim of its own."""
    found = _CONCLUDES.match(MARKERS.sub(" ", sentence))
    return found is not None and not _NEGATED.search(found[found.lastgroup or 0])


def _plain(sentence: str) -> str:
    return sentence.strip(" \t\n*_>-")[:_LONGEST].replace("\u2019", "'")


def without_declining(block: str) -> tuple[str, bool]:
    """Return a block without the sentences that decline, and whether its first sentence does."""
    parts = sentences(block, finer=True)
    kept = [part for part in parts if not declines(part)]
    if len(kept) == len(parts):
        return block, False
    return "".join(kept), declines(parts[0])
