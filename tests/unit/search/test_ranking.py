"""Ranking: fused scores, the size of the index, and the boost of pages with several good chunks."""

from __future__ import annotations

import pytest

from rag.search.ranking import Ranked, at_fitted_size, dense_share, document_boosts, fuse, relevance, spread
from rag.store.search import Candidate


def test_two_good_scores_rank_above_one_best_score() -> None:
    candidates = [Candidate(1, "a", 0.9, 0.0, 0.1), Candidate(2, "b", 0.8, 8.0, 0.9), Candidate(3, "c", 0.1, 9.0, 1.0)]
    assert [ranked.candidate.id for ranked in fuse(candidates, 0.5)] == [2, 3, 1]
    assert fuse([], 0.5) == []


def test_the_dense_share_grows_with_the_share_of_function_words() -> None:
    shares = [
        dense_share(question) for question in ("max_wal_size", "size of the write-ahead log", "why is it so?", "日本語")
    ]
    assert shares == [0.45, pytest.approx(0.45 + 0.25 * 2 / 3), 0.7, 0.45]


def test_a_document_with_several_high_ranked_chunks_gets_a_boost() -> None:
    scores = {"brief": [0.9], "deep": [0.89, 0.88, 0.87], "other": [0.3] * 20}
    ranked = [
        Ranked(Candidate(number, document, 0.0, 0.0, 0.0), score)
        for number, (document, score) in enumerate((name, score) for name, some in scores.items() for score in some)
    ]
    boosts = document_boosts(ranked)
    assert boosts["brief"] == 0
    assert boosts["deep"] == pytest.approx(0.3 * (0.88 + 0.87 - 2 * 0.3))
    assert boosts.get("other", 0) == 0


def test_scores_of_a_small_index_are_raised() -> None:
    ranked = [Ranked(Candidate(1, "a", 0.5, 1.0, 0.5), 0.6), Ranked(Candidate(2, "b", 0.4, 0.5, 0.5), 0.3)]
    small, fitted, large = (at_fitted_size(ranked, chunks) for chunks in (50, 5000, 1_000_000))
    assert [one.score for one in large] == pytest.approx([one.score for one in ranked])
    assert fitted == large
    assert small[0].score == pytest.approx(0.857, abs=1e-3)  # 0.6 as odds, times 100 ** 0.3
    assert small[1].score == pytest.approx(small[0].score / 2)
    assert at_fitted_size([], 50) == []


def test_the_best_score_is_the_relevance_of_the_index_and_the_others_are_proportional() -> None:
    ranked = fuse([Candidate(1, "a", 0.6, 4.0, 0.8), Candidate(2, "b", 0.3, 2.0, 0.4)], 0.5)
    assert ranked[0].score == pytest.approx(relevance(0.6, 0.8))
    assert ranked[1].score == pytest.approx(ranked[0].score / 2)


def test_a_document_has_a_limited_number_of_results_and_duplicates_have_one() -> None:
    documents = ["a", "a", "a", "b", "c"]
    ranked = [Ranked(Candidate(n, name, 0.0, 0.0, 0.0), 1 - n / 10) for n, name in enumerate(documents)]
    assert [chunk.candidate.id for chunk in spread(ranked, 4, 2)] == [0, 1, 3, 4]
    twins = {0: {3}, 1: set(), 2: set(), 3: {0}, 4: set()}
    assert [chunk.candidate.id for chunk in spread(ranked, 4, 1, twins)] == [0, 4]
