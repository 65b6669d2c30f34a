"""Duplicate issues: nDCG@10 of the declared duplicate against BM25, and whether a replay keeps what it promises.

    python -m bench duplicates EXPORT.json.gz --cache FOLDER [--since DATE] [--until DATE] [--judged-since DATE]

An export is a file as `flows.demo.github_server` reads it; the default is that of tls13-spec, which declares few
duplicates. Every issue is compared with what was there when it was opened. BM25 (k1 1.2, b 0.75, stemmed words) ranks
the earlier issues by title and body. Parts of the history are replayed, and the rest of it shows what was kept. `--fit` writes the shipped weights of triage from the issues instead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.paths import SHARED
from bench.report import Table
from flows.demo.github_server import load_export
from rag.embedding import LocalEncoder
from rag.sources.github.rows import fixes
from rag.store.triage import StagedIssue
from rag.triage.candidates.corpus import Corpus, Encode
from rag.triage.candidates.features import FEATURES, RISING
from rag.triage.candidates.lexical import Lexical, terms
from rag.triage.candidates.ranking import Ranker, Scored
from rag.triage.candidates.weights import WEIGHTS, shipped_model
from rag.triage.command import replay_text
from rag.triage.history import History, Issue
from rag.triage.issues import issue_of
from rag.triage.model.logit import Model, fit
from rag.triage.replaying.promise import Outcome, chosen, step_at
from rag.triage.replaying.replay import Replay, replayed

_DEPTH = 10
# The sizes of small repositories, in issues.
_SMALL = (10, 40, 150)
# Promises are looked at after these shares of the declared duplicates, for these floors, where this number of comments
# or more follow.
_PARTS = (0.4, 0.5, 0.6, 0.7, 0.8)
_FLOORS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
_FEWEST = 20
_NEAR = 0.05
_NAMED = r"(?<![\w/&#])#(\d{1,9})\b|/issues/(\d{1,9})\b"


class CachedEncoder:
    """The local model, with its vectors in a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "vectors.npz"
        self._encoder = LocalEncoder(folder)
        self._known: dict[str, NDArray[np.float16]] = {}
        if self._file.exists():
            stored = np.load(self._file)
            self._known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if missing:
            vectors = self._encoder.encode(list(missing.values())).astype(np.float16)
            self._known.update(zip(missing, vectors, strict=True))
            if len(missing) > 1:
                np.savez(self._file, keys=np.array(list(self._known)), vectors=np.array(list(self._known.values())))
        return np.array([self._known[key] for key in keys], np.float32)


class KeptRanker(Ranker):
    """A ranker that compares each issue of its corpus once, since several replays go over them."""

    def __init__(self, corpus: Corpus, history: History) -> None:
        super().__init__(corpus, history)
        self._kept: dict[int, Scored] = {}

    def compared(self, asked: Issue, *, place: int | None = None) -> Scored:
        """Return the candidates of an issue; see `Ranker`."""
        if place is None:
            return super().compared(asked)
        if place not in self._kept:
            self._kept[place] = super().compared(asked, place=place)
        return self._kept[place]


def read_issues(export: dict[str, Any], since: str, until: str) -> list[Issue]:
    """Return the issues of an export that were opened in a span of time, as a synced source has them."""
    site = f"https://github.com/{export['full_name']}"
    fixed: dict[int, list[tuple[int, str]]] = {}
    for row in export["issues"]:
        if merged := (row.get("pull_request") or {}).get("merged_at"):
            for number in fixes(row["body"] or "", f"{site}/pull/{row['number']}"):
                fixed.setdefault(number, []).append((row["number"], merged))
    return [
        _issue(row, f"{site}/issues/{row['number']}", fixed.get(row["number"], []))
        for row in export["issues"]
        if "pull_request" not in row and since <= row["created_at"] < until
    ]


def _issue(row: dict[str, Any], url: str, fixed: list[tuple[int, str]]) -> Issue:
    comments = sorted(row["comments_list"], key=lambda comment: comment["created_at"])
    named = {int(a or b) for comment in comments for a, b in re.findall(_NAMED, comment["body"] or "")}
    data = {**row, "body": row["body"] or "", "author": row["user"], "html_url": url}
    return issue_of(
        StagedIssue(
            row["number"],
            data,
            [comment["created_at"] for comment in comments],
            [(comment["created_at"], comment["body"] or "") for comment in comments],
            any(comment["author_association"] in ("OWNER", "MEMBER", "COLLABORATOR") for comment in comments),
            (comments[-1]["body"] or "", False) if comments else ("", False),
            fixed,
            sorted(named),
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench duplicates", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", nargs="?", type=Path, default=SHARED / "tls13-spec.github.json.gz")
    parser.add_argument("--cache", type=Path, required=True, help="keep the model and the vectors in this folder")
    parser.add_argument("--since", default="0", metavar="DATE", help="leave out the issues opened before")
    parser.add_argument("--until", default="9", metavar="DATE", help="leave out the issues opened from this day on")
    parser.add_argument("--judged-since", default="0", metavar="DATE", help="nDCG of the issues opened since")
    parser.add_argument("--floor", type=float, default=0.8, help="as RAG_TRIAGE_PRECISION")
    parser.add_argument("--fit", action="store_true", help="write the shipped weights")
    options = parser.parse_args(arguments)
    issues = read_issues(load_export(options.export), options.since, options.until)
    history = History({issue.number: issue for issue in issues})
    encode = CachedEncoder(options.cache)
    ranker = KeptRanker(Corpus(issues, encode), history)
    if options.fit:
        _fit(ranker, encode)
        return
    replay = replayed(ranker, shipped_model(), floor=options.floor, progress=_progress)
    print(replay_text(replay, options.export.name))
    print()
    print(_against_bm25(ranker, replay, options.judged_since).markdown())
    print()
    print(promises(ranker, replay.outcomes).markdown())


def _progress(done: int, total: int) -> None:
    if done % 500 == 0:
        print(f"{done} of {total}", file=sys.stderr)


def _fit(ranker: Ranker, encode: Encode) -> None:
    """Fit a model on all issues, and one on parts of the history as well that are as small as small repositories."""
    issues = ranker.corpus.issues
    examples = [ranker.compared(issue, place=place).example for place, issue in enumerate(issues) if place >= 100]
    models = {"whole": fit(examples, penalty=1.0, steps=400)}
    boilerplate = ["\n".join(ranker.corpus.boilerplate)]
    for size in _SMALL:
        for start in range(0, len(issues) - size, size if size > 100 else 2 * size):
            part = issues[start : start + size]
            small = Ranker(Corpus(part, encode, boilerplate), History({issue.number: issue for issue in part}))
            later = list(enumerate(small.corpus.issues))[size // 2 :]
            examples += [small.compared(issue, place=place).example for place, issue in later]
    models["small"] = fit(examples, rising=RISING, penalty=1.0, steps=400)
    fitted = {name: model.to_json() for name, model in models.items()}
    WEIGHTS.write_text(json.dumps({"features": list(FEATURES), **fitted}, indent=1) + "\n")


def _against_bm25(ranker: Ranker, replay: Replay, since: str) -> Table:
    """Return nDCG@10 over the declared duplicates of which an earlier issue is the same problem."""
    history, corpus = ranker.history, ranker.corpus
    place = {issue.number: position for position, issue in enumerate(corpus.issues)}
    lexical = Lexical([terms(f"{issue.title}\n{issue.body}") for issue in corpus.issues])
    gains: dict[str, list[float]] = {"triage": [], "BM25 over title and body": []}
    from rag.triage.history import seconds

    least = seconds(since) if since > "1" else 0.0
    for outcome in replay.outcomes:
        position, root = place[outcome.number], history.final_root(outcome.number)
        earlier = corpus.issues[:position]
        if not outcome.is_duplicate or outcome.opened < (least or 0.0):
            continue
        if not any(history.final_root(issue.number) == root for issue in earlier):
            continue
        issue = corpus.issues[position]
        scores = lexical.scores(terms(f"{issue.title}\n{issue.body}"), position)
        best = np.argsort(-scores)[:_DEPTH]
        ranks = [rank for rank, one in enumerate(best, 1) if history.final_root(earlier[one].number) == root]
        gains["BM25 over title and body"].append(_gain(ranks[0] if ranks else 0))
        gains["triage"].append(_gain(outcome.rank))
    table = Table("Declared duplicates", ["system", "duplicates", "nDCG@10"])
    for system, found in gains.items():
        table.add(system, len(found), float(np.mean(found)) if found else None)
    return table


def promises(ranker: Ranker, outcomes: Sequence[Outcome]) -> Table:
    """Return what replays of parts of a history promise, against what is kept by their models in the rest of it.

    The last column is the share within 0.05 if a promise were the true precision: the comments that follow are few.

    :param outcomes: of the whole history: the issues that are judged, and for how many each stands
    """
    declared = set(ranker.history.duplicates())
    opened = [issue.opened for issue in ranker.corpus.issues if issue.number in declared]
    found: dict[str, list[tuple[float, float]]] = {"promise": [], "seen": []}
    for until in [opened[int(part * len(opened))] for part in _PARTS if opened]:
        replay = replayed(ranker, shipped_model(), floor=0.0, until=until)
        after = _said(ranker, replay.model, [one for one in outcomes if one.opened >= until])
        for floor in _FLOORS:
            promise = chosen(replay.steps, floor)
            if promise is None or (kept := step_at(after, promise.threshold)).judged < _FEWEST:
                continue
            noise = math.sqrt(kept.precision * (1 - kept.precision) / kept.judged)
            within = math.erf(_NEAR / max(noise, 1e-9) / math.sqrt(2))
            seen = step_at(replay.outcomes, promise.threshold)
            found["promise"].append((kept.precision - promise.precision, within))
            found["seen"].append((kept.precision - seen.precision, within))
    table = Table(
        "What was kept, less what was said", ["said", "splits", "mean", "mean size", "within 0.05", "at best"]
    )
    for said, differences in found.items():
        if not differences:
            continue
        difference, within = np.array(differences).T
        sizes = np.abs(difference)
        shares = (float((sizes <= _NEAR).mean()), float(within.mean()))
        table.add(said, len(sizes), float(difference.mean()), float(sizes.mean()), *shares)
    return table


def _said(ranker: Ranker, model: Model, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return what a model says of issues, instead of the models that predicted them."""
    place = {issue.number: position for position, issue in enumerate(ranker.corpus.issues)}
    found = []
    for one in outcomes:
        position = place[one.number]
        scored = ranker.compared(ranker.corpus.issues[position], place=position)
        likely = ranker.ranked(scored, model, one.opened)[:1]
        confirmed = any(ranker.history.is_confirmed(one.number, other.number) for other in likely)
        probability = likely[0].probability if likely else 0.0
        found.append(replace(one, probability=probability, is_confirmed=confirmed))
    return found


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1) if rank else 0.0
