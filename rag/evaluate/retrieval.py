"""How well search finds the pages that are known to answer: nDCG, MRR and recall, computed by ir-measures.

trec_eval, which ir-measures runs, knows documents by their names. Here a result has the name of the first gold that it
is and that no result before it was, or a name of its own; so one document counts once, and a gold where it comes first.
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
from rag.models import Evaluation

__all__ = ["Score", "evaluate", "gold_found", "mean_score", "percentile", "score"]


@dataclass(frozen=True, slots=True)
class Score:
    """How good rankings are; each figure is in [0, 1]."""

    ndcg: float
    mrr: float
    recall: float


def evaluate(engine: Engine, queries: Sequence[Query], *, k: int) -> Evaluation:
    """Search for every query with a gold URL; relevance is binary, and one document counts once.

    Where a query hides something, it is measured with that hidden; latency is always that of a search which sees all.

    :raises ConfigurationError: no query has a gold URL
    """
    with_gold = [query for query in queries if query.gold]
    if not with_gold:
        raise ConfigurationError("There is no query with a gold URL.")
    engine.search(with_gold[0].text, top_k=k)  # loads the model, which is no part of a query's latency
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
    """Score one ranking, best first, a URL a document."""
    return mean_score([(urls, gold)], k=k)


def mean_score(rankings: Sequence[tuple[Sequence[str], Sequence[str]]], *, k: int) -> Score:
    """Return the mean over rankings, each with its gold."""
    import ir_measures  # 90 ms, which no other command should pay

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
    """Say of each result which gold it is, if it is one and none before it was."""
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
    """Return what golds are matched by; one that is a place on a page which is gold as well is the same document."""
    keys = {_key(url) for url in gold}
    return {key for key in keys if urldefrag(key).url == key or urldefrag(key).url not in keys}


def _key(gold: str) -> str:
    """Return what a gold is matched by: a URL as it is, anything else by its last path part."""
    if urlsplit(gold).scheme:
        return gold
    return _last_part(gold)


def _keys(url: str) -> tuple[str, str, str]:
    """Everything that a gold may say to mean this result."""
    return url, urldefrag(url).url, _last_part(url)


def _last_part(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of the others lies below; 0 if there is none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
