"""Read: the step that handles strangers' text, in a process of its own that holds no token of GitHub.

    rag.triage.commenting.read < JOB > PLAN

The process gets neither the environment nor the .env file of the program: the settings that it needs are in the job.
What it prints is a `Reading`, or {"error": sentence}; the parent refuses anything else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from rag.engine import Engine
from rag.errors import RagError
from rag.settings import Settings
from rag.sources.markup.process import start_reading
from rag.store.filters import Filters
from rag.text.urls import repository_of
from rag.triage.commenting.plan import Page, Plan, Planned, planned
from rag.triage.triage import Triage
from rag.triage.verdict import Verdict

__all__ = ["Reading", "main", "read_apart"]

# The secrets that reading needs. No other is passed on, since most of them can write somewhere.
_NEEDED = frozenset({"RAG_DATABASE_URL", "OPENAI_API_KEY"})
# The least score of an answer that a comment may link to.
_CONFIDENT = 0.8
_LONGEST_QUESTION = 2_000


class Reading(BaseModel):
    """What the reading step found: the plan of what to write, and the private report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    report: tuple[dict[str, Any], ...]
    #: what the replay taught that these findings go by, in the shape of `rag.triage --replay --json`
    calibration: dict[str, Any]


def read_apart(
    settings: Settings, source: str, *, since: float, numbers: Sequence[int] = (), replay: bool = False
) -> Reading:
    """Return the findings on the open issues of a source, made by a process without tokens.

    :param since: on issues opened at this time (seconds since 1970) or later
    :param numbers: and on these issues
    :param replay: go over the history again before; it is done in any case if it was never done
    :raises RagError: what the process says went wrong, or that it printed something else than a `Reading`
    """
    job = {"settings": _passed_on(settings), "source": source, "since": since, "numbers": [*numbers], "replay": replay}
    process = start_reading("rag.triage.commenting.read")
    try:
        printed, _ = process.communicate(json.dumps(job).encode())
    except BaseException:
        process.kill()
        raise
    return _checked(printed, process)


def _checked(printed: bytes, process: subprocess.Popen[bytes]) -> Reading:
    try:
        value = json.loads(printed)
        if isinstance(value, dict) and set(value) == {"error"}:
            raise RagError(str(value["error"])[:1000])
        return Reading.model_validate(value)
    except (ValueError, ValidationError) as error:
        raise RagError(f"The process that reads issues ended with {process.returncode} and no plan.") from error


def _passed_on(settings: Settings) -> dict[str, Any]:
    """Return the settings by the names of their variables, without the secrets that reading does not need."""
    withheld = {setting.name for setting in Settings.declared() if setting.is_secret} - _NEEDED
    found = {}
    for name, field in type(settings).model_fields.items():
        value, alias = getattr(settings, name), str(field.validation_alias)
        if alias in withheld or value is None or value == ():
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        found[alias] = plain if isinstance(plain, str | int | float | bool | list | tuple) else str(plain)
    return found


def main() -> int:
    """Read a job from standard input, and print a `Reading`."""
    try:
        printed = _read(json.load(sys.stdin)).model_dump_json()
    except RagError as error:
        printed = json.dumps({"error": str(error)})
    sys.stdout.write(printed)
    return 0


def _read(job: Mapping[str, Any]) -> Reading:
    settings = Settings(_env_file=None, _secrets_dir=None, GITHUB_TOKEN=None, RAG_TRIAGE_TOKEN=None, **job["settings"])
    with Engine.open(settings) as engine:
        triage = Triage(engine, job["source"])
        if job["replay"] or triage.calibration is None or triage.calibration["floor"] != settings.triage_precision:
            triage.replay(floor=settings.triage_precision)
        numbers = [*triage.numbers(since=job["since"]), *job["numbers"]]
        verdicts = [triage.of_number(number) for number in dict.fromkeys(numbers) if triage.has(number)]
        issues = tuple(_planned(engine, triage, verdict) for verdict in verdicts)
        repository = repository_of(triage.ranker.corpus.issues[0].url)
        return Reading(
            plan=Plan(repository=repository, issues=issues),
            report=tuple(verdict.to_json() for verdict in verdicts),
            calibration={name: value for name, value in (triage.calibration or {}).items() if name != "model"},
        )


def _planned(engine: Engine, triage: Triage, verdict: Verdict) -> Planned:
    # A page is linked only where triage speaks at all: its precision on the repository is known.
    page = answering_page(engine, verdict, triage.body(verdict.number or 0)) if triage.threshold is not None else None
    return planned(verdict, page)


def answering_page(engine: Engine, verdict: Verdict, body: str) -> Page | None:
    """Return the page of the documentation that a comment may link to: its answer is checked and confident."""
    return next((page for page, score in answering_pages(engine, verdict, body) if score >= _CONFIDENT), None)


def answering_pages(engine: Engine, verdict: Verdict, body: str) -> Iterator[tuple[Page, float]]:
    """Yield the page of each source of documentation that answers an issue, and the score of the answer."""
    pages = [status.name for status in engine.operations.sources() if status.kind in ("docs", "repository")]
    question = f"{verdict.title}\n{body}"[:_LONGEST_QUESTION].strip()
    for source in pages:
        answer = engine.unlogged_questions.ask(question, filters=Filters(source=source))
        if answer.answered and answer.sources:
            with suppress(ValidationError):
                yield Page(url=answer.sources[0].url, title=answer.sources[0].title[:120]), answer.score


if __name__ == "__main__":
    raise SystemExit(main())
