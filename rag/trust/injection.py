"""Prompt injection: sentences that address a language model instead of a reader.

No list of patterns is complete, and this one need not be: it removes the plain attempts before a language model reads
them, and `rag.answer.grounding` checks what the model writes nevertheless.
"""

from __future__ import annotations

import re
import unicodedata

from rag.text.lines import INVISIBLE

__all__ = ["speaks_to_models"]


# Cyrillic and Greek letters that look like Latin letters, as the Latin ones.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅοαρνικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwABEKMHOPCTXIJSoapviktABEZHIKMNOPTYX",
)


def _near(first: str, then: str, words: int = 4) -> str:
    """Return a pattern for two expressions in this order, with at most `words` words between them."""
    return rf"\b(?:{first})\b\W+(?:\S+\s+){{0,{words}}}?(?:{then})\b"


_MODELS = r"ai|llms?|assistants?|chat\s?bots?|language\s+models?|gpt|chatgpt|claude|gemini|copilot"
_PROMPT = r"(?:instruction|prompt|guideline|directive|system\s+message)s?"
_SAID_BEFORE = r"(?:previous|prior|above|earlier|preceding)\s+(?:rule|context|message|source|text|conversation)s?"
_REPLY = r"(?:answer|response|output|summary|citation)s?|repl(?:y|ies)"
_READERS = (
    r"(?:the\s+|all\s+|any\s+|every\s+)?(?:users?|readers?|askers?|humans?|customers?|visitors?)|them\s+(?:to|that)"
)

# Instructions to a language model, in texts of any author. The text is matched in lower case.
_PLAIN = [
    _near(r"ignor\w+|disregard\w*|forget|overrid\w+|overrul\w+|bypass\w*|supersed\w+", f"{_PROMPT}|{_SAID_BEFORE}", 6),
    r"\b(?:system|developer|initial|hidden|secret)\s+(?:prompt|instruction|message\s*:)",
    r"(?:<\|?|\[/?|<</?)\s*(?:im_start|im_end|inst|system|assistant|endoftext)\b",
    r"<\|\s*(?:user|sys)\b|<</?\s*sys\b",
    r"(?:^|[.!?]\s)\W*(?:system|assistant|developer)\s*:",
    r"#{2,}\s*(?:system|assistant|instruction|response)s?\b",
    _near(
        r"you\s+are|you're|act\s+as|pretend|behave|role-?play",
        rf"now\s+an?|dan|jailbr\w+|unrestricted|(?:{_MODELS}|bot)",
    ),
    _near(_MODELS, r"must|should|shall|need\s+to|reading\s+this|please|have\s+to", 5),
    _near(r"attention|note|message|instructions?|reminder|dear|hey|hello", _MODELS, 3),
    _near(
        r"(?:reveal|repeat|leak|exfiltrate|disclose|print|show|output)\w*",
        r"(?:your|the\s+system)\s+(?:\S+\s+){0,2}?(?:prompt|instruction|rule|secret|key|token|credential|context)s?",
        6,
    ),
]
# The same in other widespread languages.
_PLAIN += [
    _near(r"ignorier\w*|vergiss|vergesst", r"alles|vorherige\w*|bisherige\w*|anweisung\w*|regeln", 3),
    _near(
        r"ignor\w+|olvid\w+|oubli\w+|dimentic\w+|esque\w+", r"todo|tout|tutto|tudo|instruc\w+|istruzion\w+|consignes", 4
    ),
    r"(?:忽略|无视|忘记|無視)[\s\S]{0,12}(?:指令|指示|说明|提示|命令)|игнориру\w+|забудь\w*\s+(?:все|предыдущ\w+)".translate(
        _LOOKALIKES
    ),
]
# Sentences that may well address people; from an untrusted author they are not worth the risk.
_DOUBTFUL = [
    _near(
        r"(?:respond|reply|answer|conclude|begin|start|end|finish|preface)\w*",
        r"only|exactly|verbatim|always|instead|with\s+(?:the|a|an|this|nothing|just)",
    ),
    _near(
        rf"(?:your|every|each|all|the|any)\s+(?:\S+\s+){{0,2}}?(?:{_REPLY})",
        r"must|should|shall|needs?|have|has|will|with|as|in|to",
    ),
    _near(r"in|to|into|of|with|from", rf"(?:your|every|each|all|the\s+final)\s+(?:\S+\s+){{0,2}}?(?:{_REPLY})", 0),
    _near(r"(?:tell|inform|convinc|urg|persuad|instruct|advis|warn|direct|send|ask|remind|encourag)\w*", _READERS, 3),
    _near(
        r"do\s+not|don't|never|stop|refuse\s+to|avoid",
        r"mention|cite|citing|reveal|disclose|answer|answering|follow|quote|use\s+(?:\S+\s+){0,2}?(?:source|document)s?",
        2,
    ),
    _near(
        r"call|invoke|execute|trigger|use|run",
        r"tool|function|plugin|browser|shell|code\s+interpreter|web\s+search|api",
        3,
    ),
    _near(
        r"say|write|output|print|return|emit|append|include|insert|add|embed|cite",
        r"markdown|html|iframe|script\s+tag|image|hyperlink|this\s+link|following\s+(?:text|link|url|words?|sentence|line)",
        6,
    ),
    r"\b(?:say|write|output|print|emit|append|add|cite)\b.{0,40}\[\d+\]",
    r"\b(?:say|write|output|print|emit)\b\W+(?:only|exactly|the\s+words?|that\s+you|[\"'“`]?(?-i:[A-Z]{4,}))\b",
    r"\bbase64\b.{0,40}\b(?:decode|follow|execute|run)\b|\b(?:decode|follow|execute)\b.{0,40}\bbase64\b",
    r"\b(?:new|updated|real|actual|following|additional|important)\s+(?:task|instruction|rule|directive|objective)s?\b",
    # In documentation, <user> is a placeholder and <sys/types.h> a header.
    r"(?:<|\[/?)\s*(?:user|sys)\b",
    r"\bNO_ANSWER\b",
]
_DOUBTFUL_MARKS = re.compile("|".join(_DOUBTFUL), re.IGNORECASE | re.MULTILINE)


def _combined(patterns: list[str]) -> re.Pattern[str]:
    """Return one pattern for lower-case text, which tries those that begin with a word only where a word begins.

    It is four times as fast as the patterns one after the other: each chunk of each answer is searched.
    """
    words = [pattern.removeprefix(r"\b") for pattern in patterns if pattern.startswith(r"\b")]
    signs = [pattern for pattern in patterns if not pattern.startswith(r"\b")]
    return re.compile("|".join([rf"\b(?=[a-z])(?:{'|'.join(words)})", *signs]), re.MULTILINE)


_PLAIN_MARKS = _combined(_PLAIN)


def speaks_to_models(text: str, *, trusted: bool) -> bool:
    """Return whether a text instructs a language model instead of informing a reader.

    :param trusted: it is by the project itself, so that only plain instructions count
    """
    lower = text.lower()
    if not text.isascii():
        text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).translate(_LOOKALIKES)
        lower = text.lower().translate(_LOOKALIKES)
    return bool(_PLAIN_MARKS.search(lower) or (not trusted and _DOUBTFUL_MARKS.search(text)))
