"""The command: similar issues of one, the replay of a repository's history, and its backlog."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from rag.command import CommandParser, date_argument, number_argument, print_json, run
from rag.engine import Engine
from rag.errors import ConfigurationError, SourceError, reason_of
from rag.settings import load_settings
from rag.text.urls import repository_of

if TYPE_CHECKING:
    from rag.triage.backlog import Backlog
    from rag.triage.replaying.replay import Replay
    from rag.triage.triage import Triage
    from rag.triage.verdict import Verdict

__all__ = ["main"]

# If even the best thread is less likely than this, the list begins by saying that none is likely.
_UNLIKELY = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for."""
    parser = CommandParser(
        prog="python -m rag.triage",
        description="Find the threads that report the same problem as an issue, each with a probability. --replay "
        "measures the precision on the repository's history. Nothing is posted.",
        examples=[
            "python -m rag.triage 1234 --source issues",
            'python -m rag.triage --title "Crash on start" --body report.md',
            "python -m rag.triage --replay --json",
            "python -m rag.triage --backlog",
        ],
    )
    parser.add_argument("number", nargs="?", type=number_argument, metavar="NUMBER", help="an issue of the source")
    parser.add_argument("--source", metavar="NAME", help="the GitHub source; required if there are several")
    parser.add_argument("--title", metavar="T", help="the title of an issue that is not filed yet")
    parser.add_argument("--body", metavar="FILE", help="a file with its body; - reads standard input")
    parser.add_argument("--top-k", type=number_argument, default=10, metavar="N", help="threads to list (default 10)")
    parser.add_argument("--as-opened", action="store_true", help="use only what was known when the issue was opened")
    parser.add_argument("--replay", action="store_true", help="learn from the history, and measure the precision")
    parser.add_argument(
        "--until", type=date_argument, metavar="DATE", help="replay only issues opened before this day; store nothing"
    )
    parser.add_argument(
        "--backlog", action="store_true", help="list open issues that may be duplicates, or that the docs answer"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _triage, arguments)


def _triage(options: argparse.Namespace) -> int:
    _check(options)
    settings = load_settings()
    body = _body(options.body) if options.body else ""
    with Engine.open(settings) as engine:
        from rag.triage.triage import Triage

        triage = Triage(engine, options.source or _only_source(engine))
        if options.replay:
            if not options.until:
                _read_releases(engine, triage)
            until = datetime.combine(options.until, time(), UTC).timestamp() if options.until else None
            replay = triage.replay(floor=settings.triage_precision, until=until, progress=_progress("replayed"))
            _print(options, replay.to_json(), lambda: replay_text(replay, triage.source))
        elif options.backlog:
            from rag.triage.backlog import backlog

            found = backlog(engine, triage, progress=_progress("looked at"))
            _print(options, found.to_json(), lambda: backlog_text(found, triage.source))
        else:
            verdict = (
                triage.of_text(options.title or "", body, most=options.top_k)
                if options.number is None
                else triage.of_number(options.number, most=options.top_k, as_opened=options.as_opened)
            )
            _print(options, verdict.to_json(), lambda: verdict_text(verdict))
    return 0


def _read_releases(engine: Engine, triage: Triage) -> None:
    """Read in which releases fixes came out; a replay needs none of it, so that it goes on without."""
    from rag.triage.releases import read_releases

    repository = repository_of(triage.ranker.corpus.issues[0].url)
    try:
        read_releases(engine.settings, engine.triage_records, triage.source, repository)
    except SourceError as error:
        sys.stderr.write(f"The releases of {repository} could not be read: {error}\n")


def _check(options: argparse.Namespace) -> None:
    asked = [
        name
        for name, is_asked in (
            ("NUMBER", options.number is not None),
            ("--title or --body", bool(options.title or options.body)),
            ("--replay", options.replay),
            ("--backlog", options.backlog),
        )
        if is_asked
    ]
    if len(asked) != 1:
        raise ConfigurationError(
            "Give one of NUMBER, --title with --body, --replay and --backlog"
            + (f", not {' and '.join(asked)}." if asked else ".")
        )
    if options.until and not options.replay:
        raise ConfigurationError("--until requires --replay.")
    if options.top_k < 1:
        raise ConfigurationError(f"--top-k is {options.top_k}; it must be at least 1.")


def _body(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}.") from error


def _only_source(engine: Engine) -> str:
    names = [status.name for status in engine.operations.sources() if status.kind == "github"]
    if len(names) != 1:
        there = f"there are: {', '.join(names)}" if names else "no GitHub source was ingested yet"
        raise ConfigurationError(f"Name the GitHub source with --source; {there}.")
    return names[0]


def _progress(done_word: str) -> Callable[[int, int], None]:
    """Return a listener that says on stderr how many issues are done."""
    is_terminal = sys.stderr.isatty()

    def report(done: int, total: int) -> None:
        if done == total or done % (20 if is_terminal else 500) == 0:
            end = "\n" if done == total or not is_terminal else ""
            sys.stderr.write(f"{chr(13) if is_terminal else ''}{done_word} {done:,} of {total:,} issues{end}")
            sys.stderr.flush()

    return report


def _print(options: argparse.Namespace, value: object, text: Callable[[], str]) -> None:
    if options.json:
        print_json(value)
    else:
        sys.stdout.write(f"{text()}\n")


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict for a terminal."""
    lines = [f"#{verdict.number} {verdict.title}" if verdict.number else verdict.title, ""]
    if verdict.candidates and max(one.probability for one in verdict.candidates) < _UNLIKELY:
        lines += ["No earlier issue is likely to report the same problem. The nearest:", ""]
    for one in verdict.candidates:
        fixed = (
            f"fixed by #{one.fixed_by}" + (f" in {one.fixed_in}" if one.fixed_in else "") if one.fixed_by else one.role
        )
        lines += [f"{one.probability:6.1%}  #{one.number} {one.title}", f"        {fixed}  {one.url}"]
    if not verdict.candidates:
        lines.append("There is no similar earlier issue.")
    said = ", ".join(f"#{one.number}" for one in verdict.links)
    lines += ["", f"Likely enough for a comment: {said}" if said else f"No comment: {verdict.silent_because}."]
    return "\n".join(lines)


def replay_text(replay: Replay, source: str) -> str:
    """Return the outcome of a replay for a terminal."""
    lines = [
        f"{source}: {replay.issues:,} issues, {replay.duplicates:,} declared duplicates, "
        f"{len(replay.outcomes):,} judged by what was known before each",
        f"nDCG@10 of the duplicate: {replay.ndcg:.3f}" if replay.ndcg is not None else "No duplicate was declared.",
    ]
    lines += _table(replay)
    if replay.promised and replay.kept:
        lines += [
            "",
            f"Check: chosen without the last part of the history, {replay.promised.threshold:.2f} promised a "
            f"precision of {replay.promised.precision:.3f}; the last part kept {replay.kept.precision:.3f} over "
            f"{replay.kept.spoken:.0f} issues.",
        ]
    lines += ["", _conclusion(replay)]
    return "\n".join(lines)


def _table(replay: Replay) -> list[str]:
    """Return what was seen at each threshold, as far as an issue reached it."""
    spoken = [(step, promise) for step, promise in replay.steps if step.spoken]
    if not spoken:
        return []
    lines = ["", "threshold  spoken  precision  promise  recall  declared  of duplicates"]
    for step, promise in spoken:
        mark = "  ← chosen" if replay.chosen == promise else ""
        lines.append(
            f"{step.threshold:9.2f}{step.spoken:8.0f}{step.precision:11.3f}{promise.precision:9.3f}"
            f"{step.recall:8.3f}{step.declared:10.3f}{step.of_duplicates:15.3f}{mark}"
        )
    return lines


def _conclusion(replay: Replay) -> str:
    if replay.chosen:
        chosen = replay.chosen
        return (
            f"At {chosen.threshold:.2f} and above, the promise is a precision of {chosen.precision:.3f}: people will "
            f"confirm {chosen.precision:.0%} of the comments, and declare {chosen.declared:.0%} to be duplicates. "
            f"Of the declared duplicates, {chosen.recall:.0%} are found. Comments can be enabled."
        )
    because = replay.silent_because or ""
    best = replay.best
    unless = f"; with RAG_TRIAGE_PRECISION={best.floor:.2f}, it would comment" if best else ""
    return f"{because[:1].upper()}{because[1:]}. Triage writes no comments{unless}."


def backlog_text(found: Backlog, source: str) -> str:
    """Return a backlog for a terminal."""
    lines = [f"{source}: {_counted(found.open, 'open issue')}", ""]
    lines += [f"{_counted(len(found.clusters), 'group')} of issues that may be one problem each"]
    for cluster in found.clusters:
        lines += [f"  {cluster.probability:.0%}", *(f"    #{number} {title}" for number, title, _ in cluster.issues)]
    lines += ["", f"{_counted(len(found.answered), 'open issue')} that the documentation may answer by now"]
    for one in found.answered:
        lines += [f"  {one.score:.0%}  #{one.number} {one.title}", f"       {one.page}"]
    return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
