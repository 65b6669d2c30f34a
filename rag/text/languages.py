"""The language of a question, told by its script or by its function words."""

# ruff: noqa: RUF001 - letters of other languages

from __future__ import annotations

import re

from rag.text.words import FUNCTION_WORDS

__all__ = ["foreign_language", "is_in_another_language"]

_WORD = re.compile(r"[^\W\d_]+")
# Words that few sentences of a language do without, and that are none of English.
_WORDS = {
    "German": """
        wie ich der die das und ist nicht ein eine einen einer einem kann kann's mit für zu auf wo warum
        wird dem den des von vom man beim im nach mein meine meinen meinem muss gibt es sich ohne über
        oder wenn welche welcher welches wieso habe hat sind werden zwischen alle aller wann soll
    """,
    "French": """
        comment je le la les un une des du et est ne pas pour dans sur avec que qui quel quelle puis-je
        peut puis faire faut mon ma mes ce cette sont entre pourquoi où sans au aux peut-on
    """,
    "Spanish": """
        cómo como el la los las un una de del y es no para en con que qué cuál puedo se mi por entre
        dónde sin al cuando hacer cuándo debo está
    """,
    "Italian": """
        come il lo la gli le un una di del della e è non per in con che quale posso si mio mia tra dove
        senza al perché fare devo sono nella
    """,
    "Portuguese": """
        como o a os as um uma de do da dos das e é não para em no na com que qual posso se meu minha por
        entre onde sem ao fazer quando está
    """,
    "Dutch": """
        hoe ik de het een en is niet kan met voor op waar waarom wordt van naar mijn moet er zonder over
        of welke wat tussen alle zijn heeft
    """,
    "Polish": """
        jak się nie na do w z i jest czy mogę gdzie dlaczego co dla po od przez który która są można
    """,
    "Swedish": """
        hur jag och är inte en ett kan med för på var varför av från till min mitt måste utan eller
        vilken mellan
    """,
    "Turkish": """
        nasıl bir ve bu için ile mi mı ne neden nerede değil olarak var yok nedir arasında
    """,
}
_FUNCTION_WORDS = {name: frozenset(words.split()) for name, words in _WORDS.items()}
_SCRIPTS = (
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af]")),
    ("Chinese", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("Russian", re.compile(r"[\u0400-\u04ff]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Arabic", re.compile(r"[\u0600-\u06ff]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
    ("Hindi", re.compile(r"[\u0900-\u097f]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
)
# The share of a question's letters in another script, and of its words that are function words of another language.
_SCRIPT_SHARE, _WORD_SHARE = 0.3, 0.25
_ENGLISH = FUNCTION_WORDS | {"what's", "please", "get", "use", "make", "using", "without"}


def foreign_language(question: str) -> str | None:
    """Return the language of a question, or None if it is English or cannot be told."""
    words = _WORD.findall(question.casefold())
    letters = sum(map(len, words))
    for name, script in _SCRIPTS:
        if letters and len(script.findall(question)) >= _SCRIPT_SHARE * letters:
            return name
    english = sum(word in _ENGLISH for word in words)
    own = {
        name: sum(word in known and word not in _ENGLISH for word in words) for name, known in _FUNCTION_WORDS.items()
    }
    best = max(own, key=lambda name: own[name])
    if own[best] < 2 or own[best] < _WORD_SHARE * len(words) or own[best] <= english:
        return None
    return best


def is_in_another_language(question: str) -> bool:
    """Return whether a question is surely not English, even if its language cannot be named."""
    if foreign_language(question):
        return True
    words = _WORD.findall(question.casefold())
    return not question.isascii() and not all(map(str.isascii, words)) and _ENGLISH.isdisjoint(words)
