"""Tokens that a language model read and wrote, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a language model was asked for one answer; None: it did not say, or the price is not known."""

    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    #: US dollars
    cost: float | None = None
