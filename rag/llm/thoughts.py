"""Thoughts: the parts of a language model's reply that are not meant for a reader.

Servers without a parser for a model's reasoning pass it on within the content, between tags that differ by vendor;
often only the closing tag, since the template of the prompt opened it. Tags in code are text: answers may be about
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Thoughts", "sounds_like_thinking"]

_NAMES = (
    r"(?:seed:|antml:|ant_)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|deliberation"
    r"|inner_?monologue|internal(?:_\w+)?|cot|chain[_-]of[_-]thought)"
)
# What opens a thought, and what closes one, by vendor. Harmony (gpt-oss) has channels, of which "final" is the answer.
_OPENS = (
    rf"<{_NAMES}(?:\s[^<>\n]*)?>",
    r"\[THINK(?:ING)?\]",
    r"◁think▷",
    r"<\|(?:START_(?:THINKING|REASONING)|begin_of_thought|think(?:ing)?|thought(?:_start)?|start_of_thought)\|>",
    r"<(?:unused94>|\|channel>\s*)thought\b",
    r"(?:<\|start\|>assistant\s*)?<\|channel\|>(?!\s*final\b)[^<\n]*<\|message\|>",
    r"<details\s+type=[\"']?reasoning[\"']?[^<>\n]*>",
)
_CLOSES = (
    rf"</{_NAMES}\s*>",
    r"\[/THINK(?:ING)?\]",
    r"◁/think▷",
    r"<\|(?:END_(?:THINKING|REASONING)|end_of_thought|/think(?:ing)?|thought_end)\|>",
    r"<(?:unused95|channel\|)>",
    r"(?:<\|start\|>assistant\s*)?<\|channel\|>\s*final\b[^<\n]*<\|message\|>",
)
# Harmony without its special tokens, which some servers drop: "analysisThe user asks …assistantfinalThe answer."
_BARE_OPEN = re.compile(r"\s*analysis(?=[A-Z])")
_BARE_CLOSE = r"assistant\s?final(?=[A-Z\[*`\"'<(]|[^\x00-\x7f])"
# Granite announces both parts in words.
_SAID_OPEN = re.compile(r"\W*here(?:'s| is) my (?:thought process|thinking|reasoning)\b", re.IGNORECASE)
_SAID_CLOSE = r"here(?:'s| is) my (?:response|answer)\s*:[*\s]*"
_CLOSE_ONLY = "|".join(_CLOSES)
_CLOSE = re.compile(f"{_CLOSE_ONLY}|</details>|{_BARE_CLOSE}|{_SAID_CLOSE}", re.IGNORECASE)
_MARK = re.compile(
    rf"(?P<open>{'|'.join(_OPENS)})|(?P<close>{_CLOSE_ONLY})|(?P<bare>(?-i:{_BARE_CLOSE}))", re.IGNORECASE
)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")

_ALOUD = re.compile(
    r"\W*(?:(?:ok(?:ay)?|alright|all right|hmm+|right|so|well|wait|first|now)\b[,.! ]"
    r"|(?:let me|let's|i (?:need|should|will|have|can|think|must|am)|i'll|i'm|we (?:need|have|should|must|are|can)\b"
    r"|the user|the question|user (?:asks|wants)|looking at|to answer this|analysis|thinking|thought|reasoning)\b)"
    r"|.*\b(?:the user|hmm|let me|i need to|i should|wait,)\b"
    r"|\s*(?:好的|嗯|首先|用户|我需要|让我|ユーザー|まず|사용자|Хорошо|Пользователь|Итак)",
    re.IGNORECASE | re.DOTALL,
)
_READ_ALOUD = 600


def sounds_like_thinking(text: str) -> bool:
    """Return whether a text reads like a thought whose opening tag is in the template of the prompt."""
    return bool(_ALOUD.match(text[:_READ_ALOUD]))


@dataclass(slots=True)
class Thoughts:
    """Separates thoughts from the answer, line by line."""

    #: whether the last line ended within a thought
    is_open: bool = False
    #: whether the reply has had a thought
    found: bool = False
    _is_first: bool = field(default=True)
    _is_code: bool = field(default=False)

    def read(self, line: str) -> tuple[bool, str]:
        """Return whether all lines before belong to a thought, and the part of this line that does not."""
        kept: list[str] = []
        was_thought, place = False, 0
        if self._is_first and line.strip():
            self._is_first = False
            opened = _BARE_OPEN.match(line) or _SAID_OPEN.match(line)
            if opened:
                self.is_open = self.found = True
                place = opened.end()
        plain = "" if self._is_code else _INLINE_CODE.sub(_blank, line)
        while place < len(line):
            if self.is_open:
                close = _CLOSE.search(line, place)
                if close is None:
                    break
                self.is_open, place = False, close.end()
                continue
            mark = _MARK.search(plain, place)
            if mark is None:
                kept.append(line[place:])
                break
            self.found = True
            if mark["open"]:
                kept.append(line[place : mark.start()])
                self.is_open = True
            else:  # all before it was a thought
                kept.clear()
                was_thought = True
            place = mark.end()
        shown = "".join(kept)
        if not self.is_open and _FENCE.match(shown):
            self._is_code = not self._is_code
        return was_thought, shown


def _blank(code: re.Match[str]) -> str:
    return " " * len(code[0])
