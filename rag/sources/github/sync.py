"""Keep one repository's threads in line with GitHub at the least cost in requests.

Listings by update time bring what changed; their rows are staged, page by page, with the cursor. Then each thread
whose rows changed is rendered from what is staged. So a comment costs no request for the rest of its thread, and
a crash loses nothing: what was staged is staged, and what was not rendered is still pending.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rag.errors import SourceError
from rag.settings import GitHubConfig
from rag.sources import Change, Changed, Checkpoint, Failed, Removed
from rag.sources.github import rows
from rag.sources.github.client import PER_PAGE, GitHubClient, Gone, Patience, Reply
from rag.sources.github.discussions import Discussions
from rag.sources.github.render import document_id, render
from rag.store import GitHubComment, GitHubThread, Store, Transaction

__all__ = ["GitHubSource"]

log = logging.getLogger(__name__)

#: An update may become visible after later ones: so far behind the newest one seen, the next sync looks again.
_OVERLAP = timedelta(minutes=5)
#: Times have a resolution of a second, and rows of one second may stand on both sides of a page's end.
_TICK = timedelta(seconds=1)
_RENDER_BATCH = 100
#: One finds the threads that are gone from one page of a hundred, for log2(pages) requests; more are not worth it.
_BISECTIONS = 3
#: Each thread that seems to be gone is asked for by itself, up to so many at once.
_MOST_CONFIRMED = 10
#: A source of fewer documents may lose any share of them.
_GUARD_FROM = 20

Row = Mapping[str, Any]


@dataclass(slots=True)
class _Listed:
    """What a full listing has shown: a byte for each thread number, eight for each comment."""

    threads: bytearray = field(default_factory=bytearray)
    comments: dict[str, array[int]] = field(default_factory=dict)
    #: the kinds of threads whose listing came to its end
    kinds: set[str] = field(default_factory=set)

    def add_thread(self, number: int) -> None:
        if number >= len(self.threads):
            self.threads.extend(bytes(number + 1024 - len(self.threads)))
        self.threads[number] = 1

    def has_thread(self, number: int) -> bool:
        return number < len(self.threads) and bool(self.threads[number])


class GitHubSource:
    """The issues, pull requests and discussions of a repository as a source.

    :param token: see `GitHubClient`; required for discussions
    :param api_url: https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server
    :param patience: how long to insist where GitHub fails or a rate limit is used up
    :param most_removed: the share of a source's documents, 0 to 1, that one sync may remove; beyond it nothing is
        removed and the sync says so
    """

    kind = "github"

    def __init__(
        self,
        config: GitHubConfig,
        store: Store,
        *,
        token: str | None,
        api_url: str,
        patience: Patience | None = None,
        most_removed: float = 0.5,
    ) -> None:
        self.name = config.name
        self._config = config
        self._store = store
        self.requests = 0
        self._client = GitHubClient(token=token, api_url=api_url, patience=patience, count=self._count_request)
        self._most_removed = most_removed
        self._cursor: dict[str, Any] = {}
        self._path = f"/repos/{config.repo}"

    def _count_request(self) -> None:
        self.requests += 1

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield what changed; with `full`, read every listing from its start and remove what is not in it.

        :raises SourceUnavailable: GitHub cannot be reached, or its rate limit lasts too long
        :raises SourceError: the token or the repository is wrong, or discussions are asked for without a token
        """
        try:
            yield from self._changes(full=full)
        finally:
            self._client.close()

    def _changes(self, *, full: bool) -> Iterator[Change]:
        include = self._readable_kinds()
        self._cursor = self._store.cursor(self.name)
        repository = self._repository()
        yield from self._adopt_scope(repository)
        rescoped = bool(self._cursor.get("owed"))
        first = "issues" not in self._cursor
        listed = _Listed() if full or rescoped else None
        if include & {"issues", "pulls"}:
            yield from self._list_threads(include, listed)
            yield from self._list_comments("comments", f"{self._path}/issues/comments", rows.issue_comment, listed)
        if "pulls" in include:
            path = f"{self._path}/pulls/comments"
            yield from self._list_comments("review_comments", path, rows.review_comment, listed)
        counted = (yield from self._list_discussions(listed)) if "discussions" in include else None
        if listed is not None:
            yield from self._forget_comments(listed)
        elif include & {"issues", "pulls"} and self._may_hold_more(counted, first=first):
            listed = yield from self._vanished(include)
        yield from self._rendered()
        if listed is not None:
            yield from self._removed(listed, guarded=not rescoped)

    def _may_hold_more(self, counted: int | None, *, first: bool) -> bool:
        """Tell whether all that GitHub has is staged, and possibly more, which is then gone."""
        complete = self._config.since is None and not first
        return complete and counted != self._store.github_thread_count(self.name)

    # What is asked for

    def _readable_kinds(self) -> set[str]:
        include: set[str] = set(self._config.include)
        if "discussions" in include and not self._client.authenticated:
            if include == {"discussions"}:
                raise SourceError(
                    f"{self.name}: GITHUB_TOKEN is required to read discussions, since GitHub's GraphQL API takes no "
                    "request without one. Any token will do for a public repository."
                )
            log.warning("%s: discussions are left out, since they need a GITHUB_TOKEN", self.name)
            include.discard("discussions")
        return include

    def _repository(self) -> Row:
        try:
            row: Row = self._client.get(self._path).data
        except Gone as error:
            hint = (
                "or GITHUB_TOKEN does not allow to read it"
                if self._client.authenticated
                else "or it is private and needs a GITHUB_TOKEN"
            )
            raise SourceError(
                f"{self.name}: there is no repository {self._config.repo} on GitHub, {hint}. ({error})"
            ) from error
        if row["full_name"].lower() != self._config.repo.lower():
            log.warning("%s: %s is called %s now", self.name, self._config.repo, row["full_name"])
        # PyGithub follows a redirect without its parameters: ask under the present name only.
        self._path = f"/repos/{row['full_name']}"
        return row

    def _adopt_scope(self, repository: Row) -> Iterator[Change]:
        """Start anew where the cursor is of another repository, or covers something else than is asked for now."""
        scope = {
            "repository": repository["id"],
            "include": sorted(self._config.include),
            "since": self._config.since.isoformat() if self._config.since else None,
        }
        before: dict[str, Any] = self._cursor.get("scope") or {}
        if before == scope:
            return
        other_repository = bool(before) and before["repository"] != scope["repository"]
        if before:
            log.warning("%s: its settings changed, so everything is read again", self.name)
        self._cursor = {"scope": scope, "owed": True} if before else {"scope": scope}

        def record(transaction: Transaction) -> None:
            if other_repository:
                transaction.clear_github(self.name)
            transaction.set_cursor(self.name, self._cursor)

        yield Checkpoint(record)

    # Listing and staging

    def _list_threads(self, include: set[str], listed: _Listed | None) -> Iterator[Change]:
        kinds = {kind for kind, name in (("issue", "issues"), ("pull", "pulls")) if name in include}

        def stage(transaction: Transaction, page: Sequence[Row]) -> None:
            for row in page:
                thread = rows.thread(row)
                if thread.kind in kinds:
                    transaction.put_github_thread(self.name, thread.number, thread.kind, thread.data)
                else:
                    # Not asked for, but it has its place in the listing by creation: see _vanished.
                    transaction.put_github_thread(self.name, thread.number, None, {"created_at": row["created_at"]})

        def note(page: Sequence[Row]) -> None:
            if listed is not None:
                for row in page:
                    listed.add_thread(row["number"])

        try:
            yield from self._list(
                "issues", f"{self._path}/issues", {"state": "all"}, stage, note, full=listed is not None
            )
        except Gone as error:
            log.warning("%s: the repository's issues are switched off (%s)", self.name, error)
        if listed is not None:
            listed.kinds |= kinds

    def _list_comments(
        self, what: str, path: str, read: Callable[[Row], GitHubComment], listed: _Listed | None
    ) -> Iterator[Change]:
        with_pulls = "pulls" in self._config.include
        with_issues = "issues" in self._config.include

        def wanted(page: Sequence[Row]) -> Iterator[tuple[int, GitHubComment]]:
            for row in page:
                if with_pulls if "/pull/" in row["html_url"] else with_issues:
                    yield rows.thread_number(row), read(row)

        def stage(transaction: Transaction, page: Sequence[Row]) -> None:
            for number, comment in wanted(page):
                transaction.put_github_comment(self.name, number, comment)

        def note(page: Sequence[Row]) -> None:
            if listed is not None:
                for _, comment in wanted(page):
                    listed.comments.setdefault(comment.kind, array("q")).append(comment.id)

        if listed is not None:
            listed.comments.setdefault({"comments": "issue_comment"}.get(what, "review_comment"), array("q"))
        try:
            yield from self._list(what, path, {}, stage, note, full=listed is not None)
        except Gone as error:
            log.warning("%s: the repository has no %s (%s)", self.name, what.replace("_", " "), error)

    def _list(
        self,
        what: str,
        path: str,
        parameters: Mapping[str, str],
        stage: Callable[[Transaction, Sequence[Row]], None],
        note: Callable[[Sequence[Row]], None],
        *,
        full: bool,
    ) -> Iterator[Change]:
        """List by update time, from the cursor or the start, and stage each page with the cursor that covers it."""
        floor = self._config.since
        seen = _time(self._cursor.get(what))
        since = floor if full or seen is None else max(filter(None, (floor, seen - _OVERLAP)))
        etag_since, etag = self._cursor.get("etags", {}).get(what, (None, None))
        if full or etag_since != _iso(since):
            etag = None
        first = True
        for reply in self._updated_since(path, parameters, since, etag):
            page: Sequence[Row] = reply.data
            note(page)
            if page:
                newest = _time(page[-1]["updated_at"])
                seen = max(filter(None, (seen, newest)))
            cursor = {**self._cursor}
            if seen is not None:
                cursor[what] = _iso(seen)
            etags = {key: value for key, value in cursor.get("etags", {}).items() if key != what}
            if first and not reply.link("next") and "etag" in reply.headers:
                etags[what] = [_iso(since), reply.headers["etag"]]
            cursor["etags"] = etags
            if first and not full:
                self._client.warn_of_duration(reply, f"{self.name}: {what.replace('_', ' ')}")
            first = False
            self._cursor = cursor
            yield Checkpoint(self._staging(stage, page, cursor))

    def _staging(
        self, stage: Callable[[Transaction, Sequence[Row]], None], page: Sequence[Row], cursor: Mapping[str, Any]
    ) -> Callable[[Transaction], None]:
        def record(transaction: Transaction) -> None:
            stage(transaction, page)
            transaction.set_cursor(self.name, cursor)

        return record

    def _updated_since(
        self, path: str, parameters: Mapping[str, str], since: datetime | None, etag: str | None
    ) -> Iterator[Reply]:
        """Yield the pages of a listing by update time, oldest first; none where `etag` still holds.

        Not page=2, page=3: a row that is updated or deleted meanwhile leaves its place, all behind it move up, and one
        slips over the page's end unread. Each page is asked for from the last time seen instead.
        """
        while True:
            reply = self._first_page(path, parameters, since, etag)
            if reply.status == 304:
                return
            etag = None
            yield reply
            if not reply.link("next") or not reply.data:
                return
            last = _last_time(reply)
            if since is None or last > since:
                since = last
                continue
            beyond = yield from self._tied(path, parameters, since)
            if beyond is None:
                return
            since = beyond

    def _tied(
        self, path: str, parameters: Mapping[str, str], since: datetime
    ) -> Generator[Reply, None, datetime | None]:
        """Yield the pages of rows that share their time with more than a page of others.

        Only page numbers can tell them apart, so the pages are read until a pass shows no row that is new.

        :returns: the time to go on from; None where the listing ends
        """
        known: set[int] = set()
        while True:
            before = len(known)
            reply = self._first_page(path, parameters, since, None)
            while True:
                yield reply
                known.update(row["id"] for row in reply.data)
                following = reply.link("next")
                last = _last_time(reply) if reply.data else since
                if last > since or following is None:
                    break
                reply = _listing(self._client.get(following))
            if len(known) == before:
                return last if last > since else None

    def _first_page(self, path: str, parameters: Mapping[str, str], since: datetime | None, etag: str | None) -> Reply:
        query: dict[str, str | int] = {**parameters, "sort": "updated", "direction": "asc", "per_page": PER_PAGE}
        if since is not None:
            query["since"] = _iso(since) or ""
        return _listing(self._client.get(path, query, etag=etag))

    def _list_discussions(self, listed: _Listed | None) -> Generator[Change, None, int | None]:
        """List discussions, the latest update first, down to the cursor, which moves when all of them are staged.

        :returns: how many issues and pull requests there are, which the same query tells
        """
        floor = self._config.since
        seen = _time(self._cursor.get("discussions"))
        since = floor if listed is not None or seen is None else max(filter(None, (floor, seen - _OVERLAP)))
        newest = seen
        discussions = Discussions(self._client, self._path)
        for page in discussions.updated_since(since):
            for thread, _ in page:
                newest = max(filter(None, (newest, _time(thread.data["updated_at"]))))
                if listed is not None:
                    listed.add_thread(thread.number)
            if page:
                yield Checkpoint(self._staging_discussions(page))
        if listed is not None:
            listed.kinds.add("discussion")
        if newest is not None and newest != seen:
            self._cursor = cursor = {**self._cursor, "discussions": _iso(newest)}
            yield Checkpoint(lambda transaction: transaction.set_cursor(self.name, cursor))
        return discussions.other_threads

    def _staging_discussions(
        self, page: Sequence[tuple[GitHubThread, Sequence[GitHubComment]]]
    ) -> Callable[[Transaction], None]:
        def record(transaction: Transaction) -> None:
            for thread, comments in page:
                transaction.put_github_thread(self.name, thread.number, thread.kind, thread.data)
                self._stage_all_comments(transaction, thread.number, comments)

        return record

    def _stage_all_comments(
        self,
        transaction: Transaction,
        number: int,
        comments: Sequence[GitHubComment],
        kinds: Sequence[str] | None = None,
    ) -> None:
        """Stage all comments of a thread, and forget those of `kinds` that are not among them."""
        present = {(comment.kind, comment.id) for comment in comments}
        for comment in self._store.github_thread_comments(self.name, number):
            if (comment.kind, comment.id) not in present and (kinds is None or comment.kind in kinds):
                transaction.delete_github_comment(self.name, comment.kind, comment.id)
        for comment in comments:
            transaction.put_github_comment(self.name, number, comment)

    # Rendering

    def _rendered(self) -> Iterator[Change]:
        """Yield the documents of the threads whose rows changed since they were last written."""
        after = 0
        while numbers := self._store.pending_github_threads(self.name, after=after, limit=_RENDER_BATCH):
            for number in numbers:
                yield from self._thread(number)
            after = numbers[-1]

    def _thread(self, number: int) -> Iterator[Change]:
        thread = self._store.github_thread(self.name, number)
        if thread is None:
            return
        comments = self._store.github_thread_comments(self.name, number)
        fetched: list[GitHubComment] | None = None
        kinds = self._incomplete(thread, comments)
        if kinds:
            try:
                fetched = list(self._comments_of(thread, kinds))
            except Gone:
                yield self._gone(number, thread.kind)
                return
            except SourceError as error:
                if error.retryable:
                    raise
                yield Failed(thread.data["html_url"], str(error), document_id(self.name, thread.kind, number))
                return
            comments = [*(comment for comment in comments if comment.kind not in kinds), *fetched]

        def record(transaction: Transaction) -> None:
            if fetched is not None:
                self._stage_all_comments(transaction, number, fetched, kinds)
            transaction.settle_github_thread(self.name, number)

        yield Changed(render(self.name, thread, comments), record)

    def _incomplete(self, thread: GitHubThread, comments: Sequence[GitHubComment]) -> list[str]:
        """Return the kinds of comments that the listings did not bring all of, or of which some are gone.

        GitHub counts a thread's comments, and what was written before `since` is not listed.
        """
        if thread.kind == "discussion":
            return []
        staged = sum(comment.kind == "issue_comment" for comment in comments)
        kinds = ["issue_comment"] if staged != thread.data["comments"] else []
        since, created = self._config.since, _time(thread.data["created_at"])
        if thread.kind == "pull" and since and created and created < since:
            kinds.append("review_comment")
        return kinds

    def _comments_of(self, thread: GitHubThread, kinds: Sequence[str]) -> Iterator[GitHubComment]:
        for kind in kinds:
            folder, read = {
                "issue_comment": ("issues", rows.issue_comment),
                "review_comment": ("pulls", rows.review_comment),
            }[kind]
            reply = _listing(
                self._client.get(f"{self._path}/{folder}/{thread.number}/comments", {"per_page": PER_PAGE})
            )
            while True:
                yield from (read(row) for row in reply.data)
                following = reply.link("next")
                if following is None:
                    break
                reply = _listing(self._client.get(following))

    # What is gone

    def _gone(self, number: int, kind: str) -> Removed:
        return Removed(
            document_id(self.name, kind, number),
            lambda transaction: transaction.delete_github_thread(self.name, number),
        )

    def _vanished(self, include: set[str]) -> Generator[Change, None, _Listed | None]:
        """Find threads that were deleted or moved, for one request where there are none.

        All that GitHub has is staged by now. In the listing by creation the last page holds what it should, unless
        something before it is gone and all behind that moved up; where, is found by bisection.

        :returns: a full listing, where so much is gone that this is cheaper; otherwise None
        """
        for _ in range(_BISECTIONS):
            count = self._store.github_thread_count(self.name)
            pages = -(-count // PER_PAGE)
            read: dict[int, list[int]] = {}
            if pages == 0 or (yield from self._ends_as_staged(pages, read)):
                return None
            low, high = 1, pages
            while low < high:
                middle = (low + high) // 2
                read[middle] = self._numbers(self._page_by_creation(middle))
                if read[middle] == self._staged_page(middle):
                    low = middle + 1
                else:
                    high = middle
            gone = [number for number in self._staged_page(high) if number not in read[high]]
            if len(gone) > _MOST_CONFIRMED:
                break
            if not gone or not all(self._is_gone(number) for number in gone):
                log.info("%s: GitHub's listing by creation has another order than expected", self.name)
                return None
            kinds = self._store.github_thread_numbers(self.name)
            for number in gone:
                if number in kinds:
                    yield self._gone(number, kinds[number])
                else:
                    yield Checkpoint(self._gone(number, "issue").record or _nothing)
            yield Checkpoint(_nothing)
            if read[pages] and count - len(gone) == (pages - 1) * PER_PAGE + len(read[pages]):
                return None
        listed = _Listed()
        yield from self._list_threads(include, listed)
        return listed

    def _ends_as_staged(self, page: int, read: dict[int, list[int]]) -> Generator[Change, None, bool]:
        """Tell whether the last page of the listing by creation has the staged threads in their order.

        :param read: takes up the numbers on that page
        """
        known_page, etag = self._cursor.get("etags", {}).get("tail", (None, None))
        reply = self._page_by_creation(page, etag if known_page == page else None)
        if reply.status == 304:
            return True
        read[page] = self._numbers(reply)
        as_staged = read[page] == self._staged_page(page)
        if as_staged and "etag" in reply.headers:
            etags = {**self._cursor.get("etags", {}), "tail": [page, reply.headers["etag"]]}
            self._cursor = cursor = {**self._cursor, "etags": etags}
            yield Checkpoint(lambda transaction: transaction.set_cursor(self.name, cursor))
        return as_staged

    def _page_by_creation(self, page: int, etag: str | None = None) -> Reply:
        query: dict[str, str | int] = {"state": "all", "sort": "created", "direction": "asc", "per_page": PER_PAGE}
        return _listing(self._client.get(f"{self._path}/issues", {**query, "page": page}, etag=etag))

    @staticmethod
    def _numbers(reply: Reply) -> list[int]:
        return [row["number"] for row in reply.data]

    def _staged_page(self, page: int) -> list[int]:
        return self._store.github_threads_by_creation(self.name, offset=(page - 1) * PER_PAGE, limit=PER_PAGE)

    def _is_gone(self, number: int) -> bool:
        """Tell whether a thread was deleted, made private, or moved to another repository."""
        try:
            row = self._client.get(f"{self._path}/issues/{number}").data
        except Gone:
            return True
        return not str(row["repository_url"]).lower().endswith(self._path.lower())

    def _forget_comments(self, listed: _Listed) -> Iterator[Change]:
        """Forget staged comments that a full listing did not show; their threads become pending."""
        since = _iso(self._config.since) or ""
        for kind, ids in listed.comments.items():
            present = frozenset(ids)
            after = 0
            while staged := self._store.github_comment_ids(self.name, kind, since=since, after=after):
                gone = [comment_id for comment_id in staged if comment_id not in present]
                if gone:
                    yield Checkpoint(self._forgetting(kind, gone))
                after = staged[-1]

    def _forgetting(self, kind: str, ids: Sequence[int]) -> Callable[[Transaction], None]:
        def record(transaction: Transaction) -> None:
            for comment_id in ids:
                transaction.delete_github_comment(self.name, kind, comment_id)

        return record

    def _removed(self, listed: _Listed, *, guarded: bool) -> Iterator[Change]:
        """Yield what is indexed or staged, and neither listed nor asked for any more."""
        asked = {kind for kind, name in _KINDS.items() if name in self._config.include}
        staged = self._store.github_thread_numbers(self.name)
        gone = {
            number: kind
            for number, kind in staged.items()
            if kind not in asked or (kind in listed.kinds and not listed.has_thread(number))
        }
        kept = {document_id(self.name, kind, number) for number, kind in staged.items() if number not in gone}
        documents = self._store.document_hashes(self.name)
        orphans = documents.keys() - kept - {document_id(self.name, kind, number) for number, kind in gone.items()}
        lost = sum(1 for document in documents if document not in kept)
        if guarded and len(documents) >= _GUARD_FROM and lost > self._most_removed * len(documents):
            yield Failed(
                f"https://github.com/{self._config.repo}",
                f"{lost} of {len(documents)} documents are no longer listed by GitHub. That is more than "
                f"{self._most_removed:.0%}, so none was removed. If they are gone, give the source a new name.",
            )
            return
        for number, kind in gone.items():
            yield self._gone(number, kind)
        for orphan in sorted(orphans):
            yield Removed(orphan)
        if "owed" in self._cursor:
            self._cursor = cursor = {key: value for key, value in self._cursor.items() if key != "owed"}
            yield Checkpoint(lambda transaction: transaction.set_cursor(self.name, cursor))


def _nothing(transaction: Transaction) -> None:
    """Record nothing: a checkpoint with this only waits until all before it is committed."""


_KINDS = {"issue": "issues", "pull": "pulls", "discussion": "discussions"}


def _listing(reply: Reply) -> Reply:
    """Return a reply that is a list, or a 304.

    :raises SourceError: it is something else
    """
    if reply.status != 304 and not isinstance(reply.data, list):
        raise SourceError("GitHub answers a listing with something that is no list.")
    return reply


def _last_time(reply: Reply) -> datetime:
    """Return a time from which the next page has all rows that this one has not, and at least one that it has."""
    last = _time(reply.data[-1]["updated_at"])
    assert last is not None
    return last - _TICK


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _iso(value: datetime | None) -> str | None:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
