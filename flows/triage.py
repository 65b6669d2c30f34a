"""Triage: similar issues of those that were opened lately, as a report, and as comments where that is switched on."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from pydantic import Field
from rich.console import Console

from flows.engine import in_thread, shared_engine
from flows.prefect.endings import told
from flows.prefect.retries import retrying_task
from flows.prefect.returned import keep, returned_as
from flows.prefect.run_records import artifact_key, rename_run
from flows.prefect.server import connected, log_to, wanted_server
from rag.command import CommandParser, number_argument, print_json, run
from rag.errors import ConfigurationError
from rag.settings import GitHubConfig, Settings, load_settings
from rag.triage.commenting.comments import Comments, Deed
from rag.triage.commenting.plan import Plan
from rag.triage.commenting.read import Reading, read_apart
from rag.triage.releases import read_releases
from rag.triage.replaying.promise import none_promised

__all__ = ["main", "triage"]

_DAY = 86_400


@retrying_task("read the releases of {name}")
async def releases(name: str) -> int:
    """Read the releases of the repository, which tell in which of them a fix came out."""

    def work() -> int:
        with shared_engine() as engine:
            return read_releases(engine.settings, engine.triage_records, name, _config(engine.settings, name).repo)

    return await in_thread(work)


@retrying_task("read the issues of {name}")
async def read(name: str, since: float, replay: bool) -> Reading:
    """Compare the issues with earlier ones, in a process that holds no token."""

    def work() -> Reading:
        with shared_engine() as engine:
            written = [one.number for one in engine.triage_records.comments(name).values() if one.comment is not None]
            return read_apart(engine.settings, name, since=since, numbers=written, replay=replay)

    return await in_thread(work)


@retrying_task("write the comments of {name}")
async def write(name: str, plan: Plan, dry_run: bool) -> list[Deed]:
    """Write, edit and delete comments by the plan of the reading process."""

    def work() -> list[Deed]:
        with shared_engine() as engine:
            settings, stored = engine.settings, engine.triage_records
            comments = Comments(
                stored,
                name,
                _config(settings, name).repo,
                token=_token(settings),
                api_url=settings.github_api_url,
                dry_run=dry_run,
            )
            return list(comments.write(plan))

    return await in_thread(work)


def _run_name() -> str:
    return f"triage {runtime.flow_run.parameters['name']}"


@flow(name="triage", flow_run_name=_run_name, persist_result=False)
@told
async def triage(
    name: str,
    days: Annotated[int, Field(ge=1, le=3650)] = 7,
    replay: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Find the threads that report the same problem as the issues opened lately.

    The markdown artifact of the run is the report. Comments are written if RAG_TRIAGE_COMMENTS is true and the history
    of the repository shows enough precision; only on issues opened since they were switched on.

    Args:
        name: The GitHub source, which was synced.
        days: The report is on open issues that were opened in this number of days.
        replay: Go over the history of the repository again, to learn from new duplicates.
        dry_run: Say which comments would be written, and write none.

    """
    with shared_engine() as engine:
        settings, stored = engine.settings, engine.triage_records
        _config(settings, name)
        comments_on = settings.triage_comments
        if comments_on and not dry_run and not _token(settings):
            raise ConfigurationError("RAG_TRIAGE_COMMENTS needs RAG_TRIAGE_TOKEN, or a GITHUB_TOKEN that may comment.")
        if not comments_on:
            await in_thread(lambda: stored.switch_off(name))
        elif not dry_run:
            await in_thread(lambda: stored.switch_on(name))
        await releases(name)
        found = await read(name, time.time() - days * _DAY, replay)
        deeds: list[Deed] = []
        switched_on = None
        if comments_on or dry_run:
            switched_on = await in_thread(lambda: stored.switched_on(name))
            deeds = await write(name, _allowed(found.plan, found.report, switched_on), dry_run)
    report = {
        "source": name,
        "comments": comments_on,
        "comments_since": switched_on.astimezone(UTC).isoformat() if comments_on and switched_on else None,
        "dry_run": dry_run,
        "calibration": found.calibration,
        "issues": list(found.report),
        "done": [{"number": one.number, "what": one.what, "body": one.body} for one in deeds],
    }
    said = _sentence(report)
    await acreate_markdown_artifact(report_markdown(report), key=artifact_key("triage", name), description=said)
    await rename_run(f"triage {name} · {said}")
    return keep(report)


def _config(settings: Settings, name: str) -> GitHubConfig:
    found = next((one for one in settings.sources if one.name == name), None)
    if not isinstance(found, GitHubConfig):
        known = ", ".join(one.name for one in settings.sources if isinstance(one, GitHubConfig)) or "none"
        raise ConfigurationError(f"{name!r} is not a GitHub source of {settings.sources_path}; choose from: {known}.")
    return found


def _token(settings: Settings) -> str | None:
    return settings.triage_token.get_secret_value() if settings.triage_token else settings.github_key


def _allowed(plan: Plan, report: Sequence[Mapping[str, Any]], switched_on: datetime | None) -> Plan:
    """Return a plan without the issues that were opened before comments were switched on.

    :param switched_on: None in a dry run before that: every issue of the report counts
    """
    opened = {one["issue"]["number"]: datetime.fromisoformat(one["issue"]["opened"]) for one in report}
    issues = [one for one in plan.issues if switched_on is None or opened[one.number] >= switched_on]
    return plan.model_copy(update={"issues": tuple(issues)})


def _sentence(report: Mapping[str, Any]) -> str:
    issues, calibration = report["issues"], report["calibration"]
    likely = sum(not one["silent"] for one in issues)
    trust = "silent" if calibration["silent"] else f"{likely} with a likely duplicate"
    done = [one["what"] for one in report["done"] if one["what"] != "unchanged"]
    verb = "would be " if report["dry_run"] else ""
    counted = "".join(f", {done.count(what)} {verb}{what}" for what in dict.fromkeys(done))
    return f"{len(issues)} issues, {trust}{counted}"


def report_markdown(report: Mapping[str, Any]) -> str:
    """Return the report of a run as Markdown: how far triage can be trusted here, and the threads of each issue."""
    calibration = report["calibration"]
    lines = [f"## Similar issues in {report['source']}", "", _trust(calibration), "", _publicity(report), ""]
    verb = "would be " if report["dry_run"] else ""
    lines += [f"- comment on #{one['number']}: {verb}{one['what']}" for one in report["done"]]
    # Those with a likely duplicate first.
    for one in sorted(report["issues"], key=lambda one: bool(one["silent"])):
        issue = one["issue"]
        lines += ["", f"### [#{issue['number']}](<{issue['url']}>) {_plain(issue['title'])}", ""]
        if one["candidates"]:
            lines += ["| probability | thread | state |", "|---|---|---|"]
        for candidate in one["candidates"][:5]:
            fixed = f"fixed by #{candidate['fixed_by']}" if candidate["fixed_by"] else candidate["role"]
            released = f" in {candidate['fixed_in']}" if candidate["fixed_in"] else ""
            mark = " ✓" if candidate["number"] in one["links"] else ""
            lines.append(
                f"| {candidate['probability']:.0%}{mark} | [#{candidate['number']}](<{candidate['url']}>) "
                f"{_plain(candidate['title'])} | {fixed}{released} |"
            )
        if one["silent_because"]:
            lines += ["", f"*Silent: {one['silent_because']}.*"]
    if not report["issues"]:
        lines += ["", "No open issue was opened lately."]
    return "\n".join(lines)


def _trust(calibration: Mapping[str, Any]) -> str:
    known = f"{calibration['duplicates']:,} declared duplicates among {calibration['issues']:,} issues"
    if calibration["silent"]:
        because = calibration.get("silent_because") or none_promised(calibration["floor"])
        return f"{known}: {because}, so nothing is said in public."
    return (
        f"{known}: at a probability of {calibration['threshold']:g} and above, the promise is a precision of "
        f"{calibration['precision']:.2f}, and {calibration['recall']:.0%} of the duplicates are found."
    )


def _publicity(report: Mapping[str, Any]) -> str:
    """Return the sentence that says which issues get comments."""
    if report["dry_run"]:
        return "A dry run: nothing is written. A ✓ is a thread that a comment would link."
    if report["comments_since"] is None:
        return "Comments are off (`RAG_TRIAGE_COMMENTS`). A ✓ is a thread that a comment would link."
    since = f"{datetime.fromisoformat(report['comments_since']):%Y-%m-%d %H:%M} UTC"
    return f"Comments are on for issues opened since {since}. A ✓ is a thread that a comment links."


def _plain(title: str) -> str:
    """Return a title that is neither a cell's end nor a link in a table."""
    return "".join(f"\\{one}" if one in "|[]`*_<>\\" else one for one in " ".join(title.split()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run triage of one source."""
    parser = CommandParser(
        prog="python -m flows.triage",
        description="Find the threads that report the same problem as recent issues, as a Prefect flow run. Comments "
        "are written only if RAG_TRIAGE_COMMENTS is true and the repository's history shows enough precision.",
        examples=["python -m flows.triage issues --dry-run", "python -m flows.triage issues --days 30 --replay --json"],
    )
    parser.add_argument("name", metavar="NAME", help="the GitHub source")
    parser.add_argument(
        "--days", type=number_argument, default=7, metavar="N", help="issues of the last N days (default 7)"
    )
    parser.add_argument("--replay", action="store_true", help="replay the history first")
    parser.add_argument("--dry-run", action="store_true", help="show the comments without writing them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _command, arguments)


def _command(options: argparse.Namespace) -> int:
    if not 1 <= options.days <= 3650:
        raise ConfigurationError(f"--days is {options.days}; it must be at least 1 and at most 3650.")
    settings = load_settings()
    _config(settings, options.name)
    log_to(Console(stderr=True), debug=options.debug)
    server = wanted_server()
    with server or nullcontext(), shared_engine(settings), connected(server):
        report = asyncio.run(_run(options))
    if options.json:
        print_json(report)
    else:
        sys.stdout.write(f"{_sentence(report)}\n")
        for one in report["done"]:
            sys.stdout.write(
                f"\n#{one['number']} {'would be ' if report['dry_run'] else ''}{one['what']}\n{one['body']}\n"
            )
    return 0


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    ended = triage(options.name, options.days, options.replay, options.dry_run, return_state=True)
    return await returned_as(dict, ended, otherwise="Triage broke off")


if __name__ == "__main__":
    raise SystemExit(main())
