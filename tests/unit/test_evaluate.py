"""How a ranking is scored."""

from __future__ import annotations

import pytest

from rag.evaluate import score


@pytest.mark.parametrize(
    ("urls", "gold", "ndcg"),
    [
        (["https://x/a", "https://x/b"], ["https://x/a"], 1.0),
        (["https://x/b", "https://x/a#part"], ["https://x/a"], 0.6309),
        (["https://x/a#part"], ["https://x/a#other"], 0.0),
        (["https://x/docs/a.html#part"], ["a.html"], 1.0),
        (["https://x/other/"], ["guide/"], 0.0),
        (["https://x/guide/"], ["guide/"], 1.0),
        (["https://x/a#1", "https://x/a#2"], ["https://x/a", "https://x/b"], 0.6131),
    ],
)
def test_a_result_counts_by_url_page_or_last_part_and_a_gold_once(
    urls: list[str], gold: list[str], ndcg: float
) -> None:
    assert score(urls, gold, k=10).ndcg == pytest.approx(ndcg, abs=1e-4)
