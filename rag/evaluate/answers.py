"""Answer metrics: the quality of citations, the coverage of the gold pages, and the decision to abstain.

Citations are scored by word overlap, and not by the engine's own checks, which are what is measured.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag.answer.answer import Answer
from rag.answer.notices import without_notices
from rag.engine import Engine
from rag.evaluate.facts import Correctness, Verdict, correctness, first_is_gold, judged
from rag.evaluate.hidden import HiddenSearcher
from rag.evaluate.queries import Query
from rag.evaluate.report import AnswerQuality
from rag.evaluate.retrieval import gold_found, percentile
from rag.text.blocks import blocks, is_code
from rag.text.citations import code_blanked
from rag.text.sentences import sentences
from rag.text.words import stems, words

__all__ = ["auroc", "cited_passages", "evaluate_answers", "holds"]

# A text supports a sentence if it has this share of its content words, and all of its numbers and code.
_HELD = 0.5

_MARKERS = re.compile(r"(?:\s*\[\d+\])+")
_NUMBER = re.compile(r"\[(\d+)\]")
_EXACT = re.compile(r"[A-Za-z0-9_./-]*[0-9_][A-Za-z0-9_./-]*")
_CODE = re.compile(r"`([^`\n]+)`")
# What an extract says of its own: the heading or the author of the passage below it.
_LEAD = re.compile(r"^\*\*[^*\n]+\*\*$", re.M)
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+", re.M)


@dataclass(frozen=True, slots=True)
class _Judged:
    """The scores of one answer."""

    answerable: bool
    answered: bool
    score: float
    milliseconds: float
    #: for each citation, whether its chunk supports the passage before the marker
    citations: tuple[bool, ...] = ()
    #: for each sentence, whether the chunks that it cites support it
    sentences: tuple[bool, ...] = ()
    #: the share of the gold pages that are cited; None for an unanswerable query
    coverage: float | None = None
    #: None for a query without facts
    verdict: Verdict | None = None


def evaluate_answers(engine: Engine, queries: Sequence[Query]) -> AnswerQuality:
    """Answer every query whose gold is known, and score the answers, which are not logged.

    :raises LLMError: the language model cannot be asked
    """
    scored = [_judge(engine, query) for query in queries if query.gold is not None]
    answerable = [one for one in scored if one.answerable]
    others = [one for one in scored if not one.answerable]
    return AnswerQuality(
        answerable=len(answerable),
        unanswerable=len(others),
        answered=sum(one.answered for one in answerable),
        declined=sum(not one.answered for one in others),
        citation_precision=_share([held for one in scored for held in one.citations]),
        support=_share([held for one in scored for held in one.sentences]),
        gold_coverage=_share([one.coverage for one in answerable if one.coverage is not None]),
        auroc=auroc([one.score for one in answerable], [one.score for one in others]),
        latency_p50=percentile([one.milliseconds for one in scored], 0.5),
        latency_p95=percentile([one.milliseconds for one in scored], 0.95),
        correctness=_correctness(scored, others),
    )


def _correctness(scored: Sequence[_Judged], others: Sequence[_Judged]) -> Correctness | None:
    verdicts = [one.verdict for one in scored if one.verdict is not None]
    return correctness(verdicts, [not one.answered for one in others]) if verdicts else None


def _judge(engine: Engine, query: Query) -> _Judged:
    searcher = HiddenSearcher.of(engine, query)
    answerer = engine.questions.answerer(searcher=searcher)
    started = time.perf_counter()
    answer = answerer.answer(query.text)
    milliseconds = (time.perf_counter() - started) * 1000
    citations: list[bool] = []
    held_sentences: list[bool] = []
    if answer.answered:
        texts = _texts(engine, answer)
        for passage, numbers in cited_passages(_LEAD.sub("", without_notices(answer.answer))):
            cited = [texts[number] for number in numbers if number in texts]
            citations += [holds(text, passage) for text in cited]
            held_sentences += [holds("\n".join(cited), sentence) for sentence in _sentences(passage)]
    return _Judged(
        answerable=bool(query.gold),
        answered=answer.answered,
        score=answer.score,
        milliseconds=milliseconds,
        citations=tuple(citations),
        sentences=tuple(held_sentences),
        coverage=_coverage(answer, query.gold or ()) if query.gold else None,
        verdict=_verdict(answer, query) if query.facts else None,
    )


def _verdict(answer: Answer, query: Query) -> Verdict:
    if not answer.answered:
        return Verdict(query.kind, "abstained", 0, gold_first=None)
    urls = [source.url for source in answer.sources]
    return Verdict(
        query.kind,
        judged(answer.answer, query.facts, query.wrong),
        len(answer.answer.split()),
        gold_first=first_is_gold(urls, query.gold or ()),
    )


def _texts(engine: Engine, answer: Answer) -> dict[int, str]:
    """Return the texts of the cited chunks by marker."""
    found = engine.documents.chunk_texts([source.chunk_id for source in answer.sources])
    return {source.n: found[source.chunk_id] for source in answer.sources if source.chunk_id in found}


def _coverage(answer: Answer, gold: Sequence[str]) -> float:
    if not answer.answered:
        return 0.0
    found = [name for name in gold_found([source.url for source in answer.sources], gold) if name]
    return len(found) / len(set(gold))


def cited_passages(answer: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the passages of an answer, each with the markers that follow it; text after the last marker has none."""
    start = 0
    for match in _MARKERS.finditer(code_blanked(answer)):
        yield answer[start : match.start()].strip(), [int(number) for number in _NUMBER.findall(match[0])]
        start = match.end()
    rest = answer[start:].strip(" \n.,;:!?")
    if words(rest):
        yield rest, []


def _sentences(passage: str) -> list[str]:
    parts = ([block] if is_code(block) else sentences(block) for block in blocks(passage))
    return [sentence.strip() for block in parts for sentence in block if words(sentence)]


def holds(text: str, sentence: str) -> bool:
    """Return whether a text supports a sentence, judged by their words."""
    sentence = _BULLET.sub("", sentence)
    wanted, there = stems(sentence), stems(text)
    exact = [*_EXACT.findall(sentence), *_CODE.findall(sentence)]
    return all(one.strip("./-") in text for one in exact) and len(wanted & there) >= _HELD * len(wanted)


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float | None:
    """Return the probability that a positive scores higher than a negative, ties counting half; None without both."""
    if not positives or not negatives:
        return None
    difference = np.subtract.outer(np.asarray(positives), np.asarray(negatives))
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _share(parts: Sequence[float]) -> float | None:
    return float(np.mean(parts)) if parts else None
