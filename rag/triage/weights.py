"""The shipped models: what a report and a duplicate have in common in any repository."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from rag.triage.features import FEATURES
from rag.triage.model import Model

__all__ = ["WEIGHTS", "shipped_model", "small_model"]

#: Written by `python -m bench.duplicates --fit`.
WEIGHTS = Path(__file__).with_name("weights.json")


def shipped_model() -> Model:
    """Return the model of a repository with a long history, from which that of each repository is learned.

    :raises ValueError: it was fitted with other features than the program's
    """
    return _model("whole")


def small_model() -> Model:
    """Return the model of a repository with few issues, fitted on parts of 10 to 150 issues of a long history.

    :raises ValueError: as for `shipped_model`
    """
    return _model("small")


@cache
def _model(name: str) -> Model:
    value = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    if tuple(value["features"]) != FEATURES:
        raise ValueError("rag/triage/weights.json was fitted with other features; run python -m bench.duplicates --fit")
    return Model.from_json(value[name])
