"""What embedding models cost."""

from __future__ import annotations

__all__ = ["price"]

# US dollars per million tokens, as OpenAI's price list has had them since January 2024.
_PRICES = {
    "openai/text-embedding-3-small": 0.02,
    "openai/text-embedding-3-large": 0.13,
    "openai/text-embedding-ada-002": 0.10,
}


def price(model: str) -> float | None:
    """Return what a million tokens cost in US dollars; None if the model is free or its price not known."""
    return _PRICES.get(model)
