"""The shipped model: what a report and a duplicate have in common in any repository."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from rag.triage.features import FEATURES
from rag.triage.model import Model

__all__ = ["WEIGHTS", "shipped_model"]

#: Written by `python -m bench.duplicates --fit`.
WEIGHTS = Path(__file__).with_name("weights.json")


@cache
def shipped_model() -> Model:
    """Return the shipped model.

    :raises ValueError: it was fitted with other features than the program's
    """
    value = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    if tuple(value["features"]) != FEATURES:
        raise ValueError("rag/triage/weights.json was fitted with other features; run python -m bench.duplicates --fit")
    return Model.from_json(value)
