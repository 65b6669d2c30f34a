"""Retrieval metrics: nDCG, MRR and recall of the gold pages, computed by ir-measures.

trec_eval, which ir-measures runs, identifies documents by name. The name of a result is the first gold that it matches
and no earlier result has matched, or else a unique one. So a document counts once, at its first rank.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urldefrag, urlsplit

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.evaluate.hidden import HiddenSearcher
from rag.evaluate.queries import Query
from rag.evaluate.report import Evaluation

__all__ = ["Score", "evaluate", "gold_found", "mean_score", "percentile", "score"]


@dataclass(frozen=True, slots=True)
class Score:
    """Retrieval metrics, each in [0, 1]."""

    ndcg: float
    mrr: float
    recall: float


def evaluate(engine: Engine, queries: Sequence[Query], *, k: int) -> Evaluation:
    """Evaluate search on every query with a gold URL; relevance is binary, and one document counts once.

    The metrics of a query that hides documents are those of a search without them; latency is always that of a search
    of the whole index.

    :raises ConfigurationError: no query has a gold URL
    """
    with_gold = [query for query in queries if query.gold]
    if not with_gold:
        raise ConfigurationError("No query has a gold URL.")
    engine.search(with_gold[0].text, top_k=k)  # loads the model, which must not count as latency
    rankings: list[tuple[Sequence[str], Sequence[str]]] = []
    milliseconds: list[float] = []
    for query in with_gold:
        started = time.perf_counter()
        results = engine.search(query.text, top_k=k)
        milliseconds.append((time.perf_counter() - started) * 1000)
        if query.is_blinded:
            results = HiddenSearcher.of(engine, query).search(query.text, top_k=k)
        rankings.append(([result.url for result in results], query.gold or ()))
    mean = mean_score(rankings, k=k)
    return Evaluation(
        queries=len(with_gold),
        k=k,
        ndcg=mean.ndcg,
        mrr=mean.mrr,
        recall=mean.recall,
        latency_p50=percentile(milliseconds, 0.5),
        latency_p95=percentile(milliseconds, 0.95),
    )


def score(urls: Sequence[str], gold: Sequence[str], *, k: int) -> Score:
    """Return the metrics of one ranking.

    :param urls: of the results, best first
    """
    return mean_score([(urls, gold)], k=k)


def mean_score(rankings: Sequence[tuple[Sequence[str], Sequence[str]]], *, k: int) -> Score:
    """Return the mean metrics of rankings, each a pair of result URLs and gold URLs."""
    import ir_measures  # takes 90 ms

    measures = [ir_measures.nDCG @ k, ir_measures.RR @ k, ir_measures.R @ k]
    relevant, ranked = [], []
    for number, (urls, gold) in enumerate(rankings):
        query = str(number)
        relevant += [ir_measures.Qrel(query, name, 1) for name in sorted(_distinct(gold))]
        ranked += [
            ir_measures.ScoredDoc(query, name or f"result {rank}", -rank)
            for rank, name in enumerate(gold_found(urls[:k], gold))
        ]
    mean = ir_measures.calc_aggregate(measures, relevant, ranked)
    ndcg, mrr, recall = (float(mean[measure]) for measure in measures)
    return Score(ndcg, mrr, recall)


def gold_found(urls: Sequence[str], gold: Sequence[str]) -> list[str | None]:
    """Return for each result the gold that it matches and no earlier result did, else None."""
    wanted = _distinct(gold)
    found: set[str] = set()
    names: list[str | None] = []
    for url in urls:
        name = next((key for key in _keys(url) if key in wanted and key not in found), None)
        names.append(name)
        if name:
            found.add(name)
    return names


def _distinct(gold: Sequence[str]) -> set[str]:
    """Return the keys of golds, without those of places on a page that is itself gold."""
    keys = {_key(url) for url in gold}
    return {key for key in keys if urldefrag(key).url == key or urldefrag(key).url not in keys}


def _key(gold: str) -> str:
    """Return the key of a gold: a URL itself, of anything else the last path segment."""
    if urlsplit(gold).scheme:
        return gold
    return _last_part(gold)


def _keys(url: str) -> tuple[str, str, str]:
    """Return the keys of the golds that match a result."""
    return url, urldefrag(url).url, _last_part(url)


def _last_part(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile, 0 without values.

    :param share: in [0, 1]; 0.5 for the median
    """
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
