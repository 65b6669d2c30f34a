"""The writing step of triage, killed before and after each request and each record: the next run finishes its work."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from flows.demo.github_server import Request, Response
from rag.engine import Engine
from rag.store.postgres.database import Database
from rag.store.triage import Triage
from rag.triage.commenting.comments import Comments
from rag.triage.commenting.plan import MARKER, Link, Plan, Planned
from tests.servers.github_comments import CommentableGitHubServer

REPO, ISSUE = "o/r", 3
# A process that is forked from one with these modules begins at once.
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__])


class KillingGitHubServer(CommentableGitHubServer):
    """Kills a process around one of its requests."""

    victim: int | None = None
    #: the request that is the last one, counted from 1
    last = 0
    is_answered_first = False
    seen = 0

    def answer(self, request: Request) -> Response:
        self.seen += 1
        if self.victim is None or self.seen != self.last:
            return super().answer(request)
        response = super().answer(request) if self.is_answered_first else Response(503, {})
        os.kill(self.victim, signal.SIGKILL)
        return response


class KillingTriage(Triage):
    """Kills its own process around one of its records."""

    last = 0
    is_recorded_first = False
    seen = 0

    def put_comment(self, source: str, number: int, comment: int | None, body: str) -> None:
        self.seen += 1
        if self.seen == self.last and not self.is_recorded_first:
            os.kill(os.getpid(), signal.SIGKILL)
        super().put_comment(source, number, comment, body)
        if self.seen == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def comments(written: Triage, api_url: str) -> Comments:
    return Comments(written, "it", REPO, token="writes", api_url=api_url, pause=0)


def plan(links: tuple[int, ...]) -> Plan:
    said = tuple(Link(number=number, role="open") for number in links)
    return Plan(repository=REPO, issues=(Planned(number=ISSUE, links=said),))


def write_and_die(start: Connection, dsn: str, api_url: str, links: tuple[int, ...], record: int, first: bool) -> None:
    """Write a plan in a process of its own, which the record with this number ends."""
    start.recv()
    written = KillingTriage(Database.open(url=dsn, home=Path()))
    written.last, written.is_recorded_first = record, first
    list(comments(written, api_url).write(plan(links)))
    start.send(written.seen)


@pytest.fixture
def github() -> Iterator[KillingGitHubServer]:
    with KillingGitHubServer({"full_name": REPO, "issues": []}, tokens=("writes",)) as server:
        for title in ("Crash on start", "Crash at startup", "Crash when started"):
            server.add_issue(title, user="ann")
        yield server


class World:
    """A repository in which a run of the writing step is killed."""

    def __init__(self, engine: Engine, github: KillingGitHubServer) -> None:
        self.engine, self.github = engine, github
        engine.store.sources.register("it", "github")

    def run(self, *links: int) -> None:
        list(comments(self.engine.store.triage, self.github.api_url).write(plan(links)))

    def reset(self) -> None:
        """Begin anew: no comment, and none is known of."""
        for number in (1, 2, ISSUE):
            for row in list(self.github.comments(number)):
                self.github.delete_comment(number, row["id"])
        self.github.reactions.clear()
        with self.engine.database.connection() as connection:
            connection.execute("DELETE FROM triage_comments")

    def killed(self, *links: int, request: int = 0, record: int = 0, first: bool = False) -> int | None:
        """Run the step in a process that a request or a record ends; return its records, None if it was killed."""
        ours, theirs = _FORKED.Pipe()
        dsn = self.engine.database.dsn
        process = _FORKED.Process(
            target=write_and_die, args=(theirs, dsn, self.github.api_url, links, record, first), daemon=True
        )
        process.start()
        theirs.close()
        self.github.seen, self.github.last, self.github.is_answered_first = 0, request, first
        self.github.victim = process.pid
        ours.send("go")
        process.join(60)
        self.github.victim = None
        if process.exitcode == -signal.SIGKILL:
            return None
        assert process.exitcode == 0
        records: int = ours.recv()
        return records


@pytest.fixture
def world(empty_engine: Engine, github: KillingGitHubServer) -> World:
    return World(empty_engine, github)


def nothing(_: World) -> None:
    """Leave the issue as it is."""


def comment(world: World) -> None:
    world.run(1)


def unwanted_comment(world: World) -> None:
    world.run(1)
    world.github.thumb_down(ISSUE, "ann")


@pytest.mark.parametrize(
    ("before", "links", "bodies", "last_request"),
    [
        (nothing, (1,), ["- #1"], "POST"),
        (comment, (2, 1), ["- #2\n- #1"], "PATCH"),
        (comment, (), [], "DELETE"),
        (unwanted_comment, (1,), [], "DELETE"),
    ],
    ids=["post", "edit", "withdraw", "thumb down"],
)
def test_a_run_that_is_killed_at_any_moment_is_finished_by_the_next(
    world: World, before: object, links: tuple[int, ...], bodies: list[str], last_request: str
) -> None:
    assert callable(before)
    before(world)
    records = world.killed(*links)
    requests = world.github.seen
    assert world.github.written()[-1][0] == last_request
    assert records == 1
    moments = [{"request": number} for number in range(1, requests + 1)] + [{"record": 1}]
    for moment in moments:
        for first in (False, True):
            world.reset()
            before(world)
            assert world.killed(*links, **moment, first=first) is None, "it was killed"

            for _ in range(2):
                world.run(*links)
                said = world.github.bodies(ISSUE)
                assert len(said) == len(bodies), (moment, first)
                assert all(body.startswith(MARKER) and part in body for body, part in zip(said, bodies, strict=True))
            assert world.github.bodies(1) == world.github.bodies(2) == []
