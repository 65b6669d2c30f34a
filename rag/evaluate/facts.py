"""Key facts: whether an answer holds the words without which it is not right.

A fact is a list of alternatives, of which one must occur in the answer. Case, white space, kinds of quotes and hyphens,
and Markdown's marks do not count; a number does not match inside a longer number.
"""

from __future__ import annotations

import html
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

__all__ = ["Correctness", "Outcome", "Verdict", "correctness", "first_is_gold", "judged"]

#: right: all facts, and nothing wrong; partly: some of the facts; wrong: none of them, or something wrong.
Outcome = Literal["right", "partly", "wrong", "abstained"]

_QUOTES = '\u2018\u2019\u201c\u201d"'
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2212"
_NO_WIDTH = "\u200b\u00ad"
_SAME = str.maketrans({**dict.fromkeys(_QUOTES, "'"), **dict.fromkeys(_HYPHENS, "-"), **dict.fromkeys(_NO_WIDTH)})
_ESCAPED = re.compile(r"\\([_\[\]()<>#.|~!+\-])")
_MARKS = re.compile(r"[`*]")
_PULL = re.compile(r"/pull/(\d+).*$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one question, and what else is counted of its answer."""

    kind: str
    outcome: Outcome
    words: int
    #: None if it was not answered
    gold_first: bool | None


@dataclass(frozen=True, slots=True)
class Correctness:
    """How many answers are right; shares are in [0, 1], None where there was nothing to share."""

    outcomes: dict[str, Counter[str]]
    #: of the near-misses, the share that was not answered
    declined: float | None
    #: of the answers, the share whose first source is a gold page
    gold_first: float | None
    #: the median length of the right answers
    words: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the keys that `rag.evaluate --json` adds under "answers"."""
        total = sum(self.outcomes.values(), Counter[str]())
        shares = {name: _share(total[name], total.total()) for name in ("right", "partly", "wrong", "abstained")}
        kinds = {kind: dict(counted) for kind, counted in sorted(self.outcomes.items())}
        return {**shares, "declined": self.declined, "gold_first": self.gold_first, "words": self.words, "kinds": kinds}


def judged(answer: str, facts: Sequence[Sequence[str]], wrong: Sequence[str] = ()) -> Outcome:
    """Return the outcome of an answer that was given.

    :param facts: of each, one alternative must occur
    :param wrong: strings that show that the answer is of the wrong thing
    """
    text = _folded(answer)
    held = [any(_occurs(_folded(one), text) for one in fact) for fact in facts]
    if any(_occurs(_folded(one), text) for one in wrong) or not any(held):
        return "wrong"
    return "right" if all(held) else "partly"


def correctness(verdicts: Sequence[Verdict], declined: Sequence[bool]) -> Correctness:
    """Return the figures of judged answers.

    :param declined: for each question without an answer in the sources, whether it was not answered
    """
    outcomes: dict[str, Counter[str]] = {}
    for one in verdicts:
        outcomes.setdefault(one.kind, Counter())[one.outcome] += 1
    answered = [one.gold_first for one in verdicts if one.gold_first is not None]
    lengths = [one.words for one in verdicts if one.outcome == "right"]
    return Correctness(
        outcomes,
        declined=_share(sum(declined), len(declined)),
        gold_first=_share(sum(answered), len(answered)),
        words=statistics.median(lengths) if lengths else None,
    )


def first_is_gold(urls: Sequence[str], gold: Sequence[str]) -> bool:
    """Return whether the first URL is a gold page; a gold without a scheme is the end of a path."""
    return bool(urls) and any(_is_same_page(_page(urls[0]), _page(one)) for one in gold)


def _is_same_page(page: str, gold: str) -> bool:
    return page == gold or page.endswith(f"/{gold}")


def _page(address: str) -> str:
    """Return an address without scheme, query, fragment and file ending; a pull request is an issue."""
    path = unquote(re.split(r"[#?]", address, maxsplit=1)[0])
    path = re.sub(r"^[a-z][a-z0-9+.-]*://(?:www\.)?", "", path, flags=re.I).rstrip("/").lower()
    return re.sub(r"\.html?$", "", _PULL.sub(r"/issues/\1", path))


def _folded(text: str) -> str:
    text = _ESCAPED.sub(r"\1", unicodedata.normalize("NFKC", html.unescape(text)).translate(_SAME))
    return " ".join(_MARKS.sub("", text).split()).lower()


def _occurs(fact: str, text: str) -> bool:
    if not fact:
        return False
    before = r"(?<![0-9])(?<![0-9][.,])" if fact[0].isdigit() else ""
    after = r"(?![0-9])" if fact[-1].isdigit() else ""
    return re.search(f"{before}{re.escape(fact)}{after}", text) is not None


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
