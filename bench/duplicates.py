"""Duplicate issues: nDCG@10 of the declared duplicate against BM25, and whether a replay keeps what it promises.

    python -m bench.duplicates EXPORT.json.gz --cache FOLDER [--since DATE] [--until DATE] [--judged-since DATE]

An export is a file as `flows.demo.github_server` reads it; the default is that of tls13-spec, which declares few
duplicates. Every issue is compared with what was there when it was opened. BM25 (k1 1.2, b 0.75, stemmed words) ranks
the earlier issues by title and body. `--fit` writes the shipped weights of triage from the issues instead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Table
from bench.retrieval import DATA
from flows.demo.github_server import load_export
from rag.embedding import LocalEncoder
from rag.sources.github.rows import fixes
from rag.store.triage import StagedIssue
from rag.triage.calibration import Calibration
from rag.triage.command import replay_text
from rag.triage.corpus import Corpus, Encode
from rag.triage.features import FEATURES, RISING
from rag.triage.history import History, Issue
from rag.triage.lexical import Lexical, terms
from rag.triage.model import fit
from rag.triage.promise import Outcome, calibrated, calibration_of, chosen, step_at, steps
from rag.triage.ranking import Ranker
from rag.triage.reading import issue_of
from rag.triage.replay import Replay, replayed
from rag.triage.weights import WEIGHTS, shipped_model

_DEPTH = 10
# The sizes of small repositories, in issues.
_SMALL = (10, 40, 150)
# Promises are looked at after these shares of the declared duplicates, for these floors, where this number of comments
# or more follow.
_PARTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", nargs="?", type=Path, default=DATA / "tls13-spec.github.json.gz")
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
    ranker = Ranker(Corpus(issues, encode), history)
    if options.fit:
        _fit(ranker, encode)
        return
    replay = replayed(ranker, shipped_model(), floor=options.floor, progress=_progress)
    print(replay_text(replay, options.export.name))
    print()
    print(_against_bm25(ranker, replay, options.judged_since).markdown())
    print()
    print(promises(replay.outcomes, replay.model.calibration).markdown())


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


def promises(outcomes: Sequence[Outcome], calibration: Calibration) -> Table:
    """Return what parts of a history promise, against what the rest of it keeps.

    :param outcomes: with probabilities that were calibrated so; each part is calibrated anew
    """
    raw = calibrated(outcomes, Calibration(-calibration.shift / calibration.slope, 1 / calibration.slope))
    known = np.cumsum([one.is_duplicate for one in raw])
    found: dict[str, list[float]] = {"promise": [], "seen": [], "declared, promise": [], "declared, seen": []}
    for part in _PARTS:
        cut = int(np.searchsorted(known, part * known[-1]))
        own = calibration_of(raw[:cut], shipped_model().calibration)
        before, after = calibrated(raw[:cut], own), calibrated(raw[cut:], own)
        for floor in _FLOORS:
            promise = chosen(steps(before), floor)
            if promise is None or sum(one.probability >= promise.threshold for one in after) < _FEWEST:
                continue
            seen, kept = step_at(before, promise.threshold), step_at(after, promise.threshold)
            found["promise"].append(kept.precision - promise.precision)
            found["seen"].append(kept.precision - seen.precision)
            found["declared, promise"].append(kept.declared - promise.declared)
            found["declared, seen"].append(kept.declared - seen.declared)
    table = Table("What was kept, less what was said", ["said", "splits", "mean", "mean size", "within 0.05"])
    for said, differences in found.items():
        sizes = np.abs(differences)
        mean = (float(np.mean(differences)), float(sizes.mean())) if differences else (None, None)
        table.add(said, len(differences), *mean, int((sizes <= _NEAR).sum()))
    return table


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1) if rank else 0.0


if __name__ == "__main__":
    main()
