"""The shipped models: what a report and a duplicate have in common in any repository."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from rag.triage.candidates.features import FEATURES
from rag.triage.model.calibration import Calibration
from rag.triage.model.logit import Model

__all__ = ["WEIGHTS", "shipped_model", "small_model"]

#: Written by `python -m bench duplicates --fit`.
WEIGHTS = Path(__file__).with_name("weights.json")
# A model is too sure of its best candidate, since the highest of many is the one that chance favoured most. For models
# of their own history, replays of golang/go and rust-lang/rust give -0.51 and 0.71, and -0.52 and 0.70.
_CALIBRATIONS = {"whole": Calibration(-0.5, 0.7), "small": Calibration(-0.7, 0.9)}


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
        raise ValueError(
            "rag/triage/candidates/weights.json was fitted with other features; run python -m bench duplicates --fit"
        )
    return replace(Model.from_json(value[name]), calibration=_CALIBRATIONS[name])
