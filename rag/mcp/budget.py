"""Budget: replies that fit into the context of the model that reads them.

A token is counted by the rules that the tokenizers of language models share, not by any one of them: the estimate is
rather above than below the count of any.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["BUDGET", "LEAST_BUDGET", "MOST_BUDGET", "cut", "cut_json", "fitted", "listed", "tokens", "tokens_of"]

#: In tokens. Clients refuse replies of 25,000.
BUDGET, LEAST_BUDGET, MOST_BUDGET = 6_000, 500, 20_000

_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|[ \t\n\r]+|[^\x00-\x7f]|.", re.DOTALL)
# The letters of a word, the digits of a number and the blanks of an indent that make a token.
_LETTERS, _DIGITS, _BLANKS = 6, 2, 8
_CUT = " …"


def tokens(text: str) -> int:
    """Return an estimate of the number of tokens of a text."""
    return sum(map(_tokens_of_piece, _PIECE.findall(text)))


def _tokens_of_piece(piece: str) -> int:
    first = piece[0]
    if first.isascii():
        if first.isalpha():
            return math.ceil(len(piece) / _LETTERS)
        if first.isdigit():
            return math.ceil(len(piece) / _DIGITS)
        # The blank before a word belongs to it.
        return 0 if piece == " " else math.ceil(len(piece) / _BLANKS)
    return max(len(first.encode(errors="replace")) - 1, 1)


def tokens_of(value: object) -> int:
    """Return an estimate of the number of tokens of a value as JSON."""
    return tokens(json.dumps(value, ensure_ascii=False))


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that has at most this many tokens, with a mark if it is cut."""
    left = most
    for match in _PIECE.finditer(text):
        left -= _tokens_of_piece(match[0])
        if left < 0:
            return text[: match.start()].rstrip() + _CUT
    return text


def cut_json(text: str, most: int) -> str:
    """Return the beginning of a text with at most this many tokens as JSON, which escapes quotes and line breaks."""
    short, room = cut(text, most), most
    while tokens_of(short) > most and room > 0:
        room = room * 4 // 5
        short = cut(text, room)
    return short


def listed(entries: Iterable[dict[str, Any]], budget: int, *, name: str) -> dict[str, Any]:
    """Return {name: entries} with as many of the entries as fit, and how many are left out, if any are.

    The text of the first is cut if it alone is too long.
    """
    wanted, shown = list(entries), list[dict[str, Any]]()
    left = budget - 40
    for entry in wanted:
        cost = tokens_of(entry)
        if cost > left and not shown and "text" in entry:
            entry = {**entry, "text": cut_json(entry["text"], left - tokens_of({**entry, "text": ""}))}
            cost = tokens_of(entry)
        if cost > left:
            break
        shown.append(entry)
        left -= cost
    reply: dict[str, Any] = {name: shown}
    return reply if len(shown) == len(wanted) else {**reply, "left_out": len(wanted) - len(shown)}


def fitted(
    reply: dict[str, Any], budget: int, steps: Iterable[Callable[[dict[str, Any]], dict[str, Any]]]
) -> dict[str, Any]:
    """Return a reply after as many of the steps, each of which shortens it, as make it fit."""
    for step in steps:
        if tokens_of(reply) <= budget:
            break
        reply = step(reply)
    return reply
