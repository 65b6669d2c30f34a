"""The scores of rankings and answers, and queries from threads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.evaluate import Query, read_queries, score, write_queries
from rag.evaluate.answers import auroc, cited_passages, holds
from rag.evaluate.history import compare
from rag.evaluate.queries import fingerprint
from rag.evaluate.threads import linked, without_numbers


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
        (["https://x/a#1"], ["https://x/a", "https://x/a#1"], 1.0),
        ([], ["https://x/a"], 0.0),
    ],
)
def test_gold_matches_by_url_page_or_last_part_and_counts_once(urls: list[str], gold: list[str], ndcg: float) -> None:
    assert score(urls, gold, k=10).ndcg == pytest.approx(ndcg, abs=1e-4)


def test_results_beyond_k_do_not_count() -> None:
    found = score([f"https://x/{number}" for number in range(12)], ["https://x/4", "https://x/11"], k=10)
    assert (found.recall, found.mrr) == (0.5, 0.2)


def test_many_results_keep_their_order() -> None:
    urls = [f"https://x/{number}" for number in range(1000)]
    assert score(urls, ["https://x/999"], k=1000).mrr == pytest.approx(1 / 1000)


def test_written_queries_are_read_unchanged(tmp_path: Path) -> None:
    queries = [
        Query("1", "how?", ("https://x/a",)),
        Query("2", "nobody knows", ()),
        Query("3", "who knows?", None),
        Query("4", "Füße", ("a.html",), ("https://x/b",), datetime(2024, 5, 1, tzinfo=UTC)),
    ]
    assert write_queries(tmp_path / "queries.jsonl", queries) == 4
    assert read_queries(tmp_path / "queries.jsonl") == queries


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"id": 1, "query": "x"}',
        '{"id": 1, "query": "x", "gold": "https://x/a"}',
        '{"id": 1, "query": "x", "gold": [], "before": "yesterday"}',
        '{"id": 1, "query": "x", "gold": [], "hide": "https://x/a"}',
    ],
)
def test_the_error_names_an_invalid_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(json.dumps({"id": "1", "query": "x", "gold": []}) + "\n\n" + line)
    with pytest.raises(ConfigurationError, match=r"queries\.jsonl, line 3: expected"):
        read_queries(path)


def test_other_queries_or_another_k_change_the_fingerprint() -> None:
    rows = [Query("1", "how?", ("a",))]
    prints = {fingerprint(rows, k=10), fingerprint(rows, k=5), fingerprint([Query("1", "how?", ("b",))], k=10)}
    assert len(prints) == 3


def test_passages_of_an_answer_belong_to_the_markers_after_them() -> None:
    answer = "Use pg_dump. [1]\n\n```sh\npg_dump db[0]\n```\n\n[2] [3] It is fast[1], and I like it."
    assert list(cited_passages(answer)) == [
        ("Use pg_dump.", [1]),
        ("```sh\npg_dump db[0]\n```", [2, 3]),
        ("It is fast", [1]),
        ("and I like it", []),
    ]


@pytest.mark.parametrize(
    ("sentence", "held"),
    [
        ("pg_dump writes one database to a file.", True),
        ("A single database can be dumped into files with `pg_dump`.", True),
        ("pg_dumpall writes one database to a file.", False),
        ("pg_dump writes 12 databases to a file.", False),
        ("Elephants never forget what they read.", False),
        ("1. Run pg_dump to write the database to a file.", True),
    ],
)
def test_a_text_supports_only_sentences_that_it_states(sentence: str, held: bool) -> None:
    text = (
        "The command pg_dump dumps a single database: it writes it into a file, without stopping anybody. Run it often."
    )
    assert holds(text, sentence) is held


def test_auroc_is_the_probability_that_an_answerable_question_scores_higher() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auroc([0.9, 0.5], [0.5, 0.1]) == 0.875
    assert auroc([0.9], []) is None


def test_a_query_does_not_contain_issue_numbers() -> None:
    text = "Fixes #12, tlswg/tls13-spec#13 and https://github.com/tlswg/tls13-spec/issues/14."
    assert not {"12", "13", "14"} & set(without_numbers(text).replace(",", " ").replace(".", " ").split())


def test_gold_is_read_from_links_to_pages_and_numbers_of_threads() -> None:
    text = (
        "See [the docs](https://x.org/guide/#start), https://x.org/faq. and #7 <!-- not #8 -->, not a page#9: "
        "[again](https://x.org/guide/)"
    )
    found = linked(text, "https://github.com/o/n/discussions/3")
    assert found == [
        "https://x.org/guide/",
        "https://x.org/guide",
        "https://x.org/faq",
        "https://x.org/faq/",
        "https://github.com/o/n/issues/7",
        "https://github.com/o/n/pull/7",
        "https://github.com/o/n/discussions/7",
    ]


def test_a_metric_may_drop_by_the_allowed_amount() -> None:
    before = {"ndcg": 0.8, "mrr": 0.5, "recall": None, "answers": {"support": 0.9}}
    now = {"ndcg": 0.78, "mrr": 0.4799, "recall": 0.1, "answers": {"support": 0.95}, "latency_ms": {"p50": 900}}
    assert [fall.metric for fall in compare(before, now, allowed_drop=0.02)] == ["mrr"]
    assert compare(before, {"ndcg": 0.9, "mrr": 0.5}, allowed_drop=0.0) == ()
