"""Which threads a comment may link."""

from __future__ import annotations

from rag.triage.verdict import Candidate, links


def candidate(number: int, probability: float, role: str = "open") -> Candidate:
    return Candidate(number, f"https://example.org/{number}", "Crash", probability, "open", role)  # type: ignore[arg-type]


def test_a_comment_links_at_most_three_threads() -> None:
    shown = [candidate(number, 0.9) for number in range(1, 6)]
    assert [one.number for one in links(shown, 0.8)] == [1, 2, 3]


def test_a_comment_links_no_unlikely_thread_and_none_that_was_only_closed() -> None:
    shown = [candidate(1, 0.9, "closed"), candidate(2, 0.9, "fixed"), candidate(3, 0.79)]
    assert [one.number for one in links(shown, 0.8)] == [2]
