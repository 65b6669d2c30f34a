"""What the command prints."""

from __future__ import annotations

import pytest

from rag.triage.command import verdict_text
from rag.triage.verdict import Candidate, Verdict

NOTHING_LIKELY = "No earlier issue is likely to report the same problem. The nearest:"


@pytest.mark.parametrize(("probability", "is_told"), [(0.002, True), (0.04, True), (0.3, False)])
def test_a_list_without_a_likely_thread_says_so(probability: float, is_told: bool) -> None:
    near = Candidate(7, "https://example.org/7", "Slow start", probability, "closed", "answered")
    said = verdict_text(Verdict(9, "Crash", "https://example.org/9", 0.0, (near,), (), "nothing is sure"))
    assert (NOTHING_LIKELY in said) is is_told
    assert "#7 Slow start" in said
