"""Whether a language model says that the sources do not contain the answer: with NO_ANSWER, or in its own words."""

# ruff: noqa: E501, RUF001 - the patterns are read line by line
from __future__ import annotations

import re

from rag.text.sentences import sentences

__all__ = ["NO_ANSWER", "declines", "is_no_answer", "without_declining"]

#: The reply that a language model is told to give if the chunks do not contain the answer.
NO_ANSWER = "NO_ANSWER"
_EXACT = re.compile(rf"\b{NO_ANSWER}\b")
_WHOLE = re.compile(r"\W*(?:no[\s_-]?answer|n/a|not\s+(?:answered|found))\W*", re.IGNORECASE)

_SOURCES = r"(?:sources?|contexts?|documents?|documentation|passages?|excerpts?|texts?|materials?|information|snippets?|articles?)"
_GIVEN = rf"(?:provided|given|numbered|available|retrieved|supplied|above|these|those|the|any|of|in|from|\[\d+\]|{_SOURCES}|,|and|or)"
_NOT = r"(?:do(?:es)?\s+not|don't|doesn't|did\s+not|didn't|cannot|can't|(?:is|are|was|were)\s+not|isn't|aren't|fails?\s+to|never|lacks?)"
_SAY = (
    r"(?:\w+\s+){0,2}?(?:contain|mention|answer|provide|include|specify|say|state|cover|address|describe|discuss|explain|give"
    r"|have|offer|indicate|contained|mentioned|answered|provided|included|specified|stated|covered|addressed|described"
    r"|discussed|available|enough|sufficient|clear|information|details?|any)\b"
)
# What the sources lack, in the languages that most answers are written in.
_DECLINES = re.compile(
    rf"(?:\w+[\s,]+){{0,5}}?\b{_SOURCES}(?:\s+{_GIVEN}){{0,4}}\s+(?:\w+\s+){{0,2}}?{_NOT}\s+{_SAY}"
    rf"|(?:\w+[\s,]+){{0,3}}?there\s+(?:is|was|are)\s+(?:no|not\s+enough|insufficient)\s+(?:\w+\s+){{0,4}}?(?:{_SOURCES}|answer|mention|details?)\b"
    rf"|(?:\w+[\s,]+){{0,3}}?no\s+(?:relevant\s+|specific\s+|such\s+)?(?:information|answer|details?|mention)\b.{{0,60}}\b(?:{_SOURCES}|found|provided|available)\b"
    rf"|(?:\w+[\s,]+){{0,6}}?i(?:'m|\s+am)?\s+(?:sorry|afraid|(?:was\s+|am\s+)?(?:unable|not\s+able)\s+to|(?:do\s+not|don't)\s+(?:know|have)|(?:cannot|can't|could\s+not|couldn't)\s+(?:find|answer|determine|locate|tell))\b"
    rf"|(?:it|this|that|the\s+(?:answer|question))\s+(?:\w+\s+){{0,3}}?(?:{_NOT}|cannot\s+be)\s+(?:be\s+)?(?:\w+\s+){{0,2}}?(?:answered|found|mentioned|specified|stated|covered|determined|described|addressed|contained|documented)\b.{{0,60}}(?:\b{_SOURCES}\b|$)"
    r"|unable\s+to\s+(?:answer|find|determine)\b"
    rf"|(?:\w+[\s,]+){{0,5}}?\b{_SOURCES}(?:\s+{_GIVEN}){{0,3}}\s+(?:have|has|contains?|gives?|offers?|provides?|makes?|includes?)\s+(?:no|nothing|little)\b(?:\s+\w+){{0,2}}?\s*(?:information|mention|details?|answer|reference|guidance|explanation|about|on|regarding)\b"
    rf"|(?:\w+[\s,]+){{0,5}}?(?:none|neither|nothing)\s+(?:of|in|from)\s+(?:{_GIVEN}\s+){{0,3}}{_SOURCES}\b"
    rf"|(?:\w+[\s,]+){{0,3}}?there\s+(?:is|was)\s+nothing\s+(?:\w+\s+){{0,2}}?(?:in|from)\s+(?:{_GIVEN}\s+){{0,3}}{_SOURCES}\b"
    rf"|(?:\w+[\s,]+){{0,5}}?\b{_SOURCES}(?:\s+{_GIVEN}){{0,3}}\s+(?:is|are|remains?)\s+silent\b"
    rf"|(?:\w+[\s,]+){{0,8}}?it(?:'s|\s+is)\s+(?:not\s+possible|impossible|unclear\s+how)\s+(?:for\s+me\s+)?to\s+(?:answer|determine|say|tell|know)\b"
    rf"|not\s+(?:\w+\s+){{0,2}}?(?:mentioned|found|specified|stated|covered|described|documented|answered|available)\s+(?:in|by)\s+(?:{_GIVEN}\s+){{0,3}}{_SOURCES}\b"
    r"|(?:de\s+|in\s+de\s+)?bronnen\b.{0,60}\b(?:niet|geen|niets)\b|(?:w\s+)?(?:podan\w+\s+)?źród\w+\b.{0,60}\b(?:nie|brak)\b"
    r"|(?:i\s+)?källorna\b.{0,60}\b(?:inte|inget|ingen)\b|(?:các\s+|trong\s+)?nguồn\b.{0,60}\bkhông\b|.{0,20}स्रोत.{0,60}नहीं"
    r"|(?:die\s+|den\s+|in\s+den\s+)?(?:\w+\s+){0,2}?quellen\b.{0,60}\b(?:nicht|keine?n?|nichts)\b"
    r"|(?:les|aucune\s+des)\s+(?:\w+\s+)?sources?\b.{0,60}\b(?:pas|aucune?|rien)\b"
    r"|(?:las|en\s+las)\s+fuentes\s+no\b|as\s+fontes\s+não\b|le\s+fonti\s+non\b"
    r"|(?:предоставленные\s+|в\s+|данные\s+)?источник\w*\b.{0,40}\b(?:не|нет)\b"
    r"|.{0,12}(?:来源|資料|资料|ソース|情報源|出典|出处).{0,20}(?:没有|沒有|未|不包含|無|ありません|ません|含まれてい)"
    r"|.{0,12}(?:출처|소스|자료).{0,30}(?:없|않)"
    r"|.{0,12}(?:المصادر).{0,30}(?:لا|لم|ليس)|(?:لا|لم)\s+\w+\s+المصادر"
    r"|(?:\w+\s+){0,2}?kaynaklar\w*\b.{0,60}\b(?:yok|değil|\w+m[ae]mektedir|\w+m[ıiuü]yor|\w+maz|\w+mez)",
    re.IGNORECASE,
)


def is_no_answer(text: str) -> bool:
    """Return whether a reply, or a part of it, is the one that a language model is told to give."""
    return bool(_EXACT.search(text) or _WHOLE.fullmatch(text))


def declines(sentence: str) -> bool:
    """Return whether a sentence says that the sources do not contain the answer."""
    return bool(_DECLINES.match(sentence.strip(" \t\n*_>-")[:300]))


def without_declining(block: str) -> tuple[str, bool]:
    """Return a block without the sentences that decline, and whether its first sentence does."""
    parts = sentences(block, finer=True)
    kept = [part for part in parts if not declines(part)]
    if len(kept) == len(parts):
        return block, False
    return "".join(kept), declines(parts[0])
