"""Syncs of a GitHub repository: PyGithub on loopback, and rows in a real Postgres."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from llama_index.core.schema import Document

from flows.demo import github_server
from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.settings import GitHubConfig
from rag.sources import Changed, Checkpoint, Failed, Removed
from rag.sources.github import GitHubSource, RetryPolicy
from rag.store.documents import DocumentRow
from rag.store.store import Store
from tests.servers.github import FAULTS, FaultyGitHubServer, GitHubServer, Response, load_export

SAMPLE = Path(github_server.__file__).parent / "github.json"
#: fails in milliseconds instead of half a minute
FEW_RETRIES = RetryPolicy(attempts=4, first_delay=0.001, rate_limit=3.0)
MANY_RETRIES = RetryPolicy(attempts=50, first_delay=0.0001, rate_limit=30.0)


class Killed(BaseException):
    """Simulates kill -9 within a test."""


class Site:
    """A source of one repository, and its indexed documents."""

    def __init__(self, store: Store, server: GitHubServer, **config: Any) -> None:
        self.store, self.server = store, server
        self.config = GitHubConfig(**{"name": "it", "repo": server.full_name, "include": ("issues",), **config})
        self.token: str | None = None
        self.retry = FEW_RETRIES
        self.counts: Counter[str] = Counter()
        self.requests = 0
        store.sources.register(self.config.name, "github")

    def sync(self, *, full: bool = False, die_after: int | None = None) -> dict[str, Document]:
        """Sync as ingestion does, committing each change with its record; return the changed documents."""
        source = GitHubSource(self.config, self.store, token=self.token, api_url=self.server.api_url, retry=self.retry)
        came: dict[str, Document] = {}
        self.counts.clear()
        changes = source.changes(full=full)
        try:
            for number, change in enumerate(changes, start=1):
                if number == die_after:
                    raise Killed
                self.counts[type(change).__name__] += 1
                self.commit(change)
                if isinstance(change, Changed):
                    came[change.document.id_] = change.document
        finally:
            changes.close()
            self.requests = source.requests
        return came

    def commit(self, change: Any) -> None:
        with self.store.transaction() as transaction:
            if isinstance(change, Changed):
                transaction.documents.put([_row(self.config.name, change.document)])
            if isinstance(change, Removed):
                transaction.documents.delete([change.document_id])
            if isinstance(change, Changed | Removed | Checkpoint) and change.record:
                change.record(transaction)
            if isinstance(change, Failed):
                self.counts[change.error] += 1

    @property
    def index(self) -> dict[str, str]:
        """Content hash by document id."""
        return self.store.documents.hashes(self.config.name)


def _row(source: str, document: Document) -> DocumentRow:
    metadata = document.metadata
    kept = {"kind": metadata["kind"], "url": metadata["url"], "title": metadata["title"], "text": document.text}
    return DocumentRow(id=document.id_, source=source, metadata=metadata, hash=document.hash, **kept)


def export(*, issues: int = 0, at: str | None = None) -> dict[str, Any]:
    """A repository with a number of issues, a minute apart, or all at the time `at`."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [(start + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ") for minute in range(issues)]
    rows = []
    for number, time in enumerate(times, start=1):
        then = at or time
        rows.append(
            {
                "number": number,
                "title": f"Issue {number}",
                "body": f"Body of issue {number}.",
                "state": "open",
                "user": "ann",
                "author_association": "NONE",
                "labels": [],
                "created_at": then,
                "updated_at": then,
                "closed_at": None,
                "comments_list": [],
            }
        )
    return {"full_name": "o/r", "issues": rows, "discussions": []}


@pytest.fixture
def server() -> Iterator[FaultyGitHubServer]:
    with FaultyGitHubServer(load_export(SAMPLE)) as server:
        yield server


@pytest.fixture
def site(store: Store, server: FaultyGitHubServer) -> Site:
    return Site(store, server)


# The first sync


def test_every_issue_becomes_a_document_with_its_comments(site: Site) -> None:
    documents = site.sync()
    rows = [row for row in load_export(SAMPLE)["issues"] if "pull_request" not in row]
    assert set(documents) == {f"it:issues/{row['number']}" for row in rows}
    document = documents["it:issues/8"]
    assert document.metadata["title"] == "Where does the embedded Postgres live, and how do I stop it?"
    assert document.metadata["url"] == f"{site.server.api_url}/example/support-engine/issues/8"
    assert "## Comment by lenaholt (owner), 2026-02-12 {#issuecomment-" in document.text
    assert document.text.count("what was not is gone") == 1, "the quotation of the comment is removed"


def test_template_blocks_and_bots_are_left_out(site: Site) -> None:
    documents = site.sync()
    assert "Thanks for taking the time" not in documents["it:issues/3"].text
    assert "marked as stale" not in documents["it:issues/14"].text


def test_pull_requests_are_read_with_conversation_and_review_if_configured(store: Store, server: GitHubServer) -> None:
    site = Site(store, server, include=("issues", "pulls"))
    document = site.sync()["it:pulls/44"]
    assert (document.metadata["state"], document.metadata["fixes"]) == ("merged", [43])
    assert "## Review comment by dmirza (member) on docs/sources.md, 2026-05-20 {#discussion_r" in document.text
    assert "otherwise good to go" in document.text


def test_discussions_are_read_with_answer_replies_and_category(store: Store, server: GitHubServer) -> None:
    site = Site(store, server, include=("issues", "discussions"))
    site.token = "any"
    documents = site.sync()
    discussion = documents["it:discussions/15"]
    assert discussion.metadata["category"] == "Q&A"
    assert "## Accepted answer by lenaholt (owner), 2026-03-03 {#discussioncomment-" in discussion.text
    assert "## Reply by vera-lind, 2026-03-03" in discussion.text
    assert site.sync() == {}


def test_long_discussions_are_complete(store: Store) -> None:
    data = load_export(SAMPLE)
    thread = data["discussions"][0]
    comment = thread["comments_list"][0]
    thread["comments_list"] = [{**comment, "id": 1000 + n, "body": f"word{n}", "replies": []} for n in range(90)]
    thread["comments_list"][60]["replies"] = [{**comment, "id": 5000 + n, "body": f"reply{n}"} for n in range(120)]
    with GitHubServer(data) as server:
        site = Site(store, server, include=("discussions",))
        site.token = "any"
        text = site.sync()["it:discussions/15"].text
    assert all(f"word{n}" in text for n in range(90))
    assert all(f"reply{n}" in text for n in range(120))


def test_without_a_token_discussions_are_skipped_with_a_warning(
    store: Store, server: GitHubServer, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(store, server, include=("issues", "discussions"))
    assert all(":issues/" in name for name in site.sync())
    assert "discussions are skipped, since reading them requires GITHUB_TOKEN" in caplog.text


def test_since_excludes_older_threads_but_not_older_comments(store: Store) -> None:
    data = export(issues=3)
    data["issues"][0]["comments_list"] = [
        {
            "id": 1,
            "user": "bob",
            "body": "An old word.",
            "created_at": "2026-01-01T00:00:30Z",
            "updated_at": "2026-01-01T00:00:30Z",
        }
    ]
    with GitHubServer(data) as server:
        server.edit_issue(1, at="2026-03-01T00:00:00Z", title="Still open")
        site = Site(store, server, since="2026-02-01")
        documents = site.sync()
        assert list(documents) == ["it:issues/1"]
        assert "An old word." in documents["it:issues/1"].text


def test_an_empty_repository_is_an_empty_source(store: Store) -> None:
    with GitHubServer(export()) as server:
        assert Site(store, server).sync() == {}


def test_a_repository_with_disabled_issues_is_a_warning(
    site: Site, server: FaultyGitHubServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.has_issues = False
    assert site.sync() == {}
    assert "switched off" in caplog.text


# Later syncs


def test_a_sync_without_changes_yields_nothing_and_sends_few_requests(site: Site) -> None:
    site.sync()
    assert site.sync() == {}
    assert site.requests <= 4
    cursor = site.store.sources.cursor("it")
    assert site.sync() == {}
    assert site.counts.total() == 0, "a 304 reply causes no write"
    assert site.store.sources.cursor("it") == cursor


def test_a_sync_of_every_kind_without_changes_sends_five_requests(store: Store, server: GitHubServer) -> None:
    site = Site(store, server, include=("issues", "pulls", "discussions"))
    site.token = "any"
    site.sync()
    assert site.sync() == {}
    assert site.requests <= 5
    server.delete_issue(8)
    site.sync()
    assert "it:issues/8" not in site.index


def test_a_sync_yields_only_edited_commented_and_new_issues(site: Site) -> None:
    site.sync()
    site.server.edit_issue(3, title="Can this run without Docker?")
    site.server.add_comment(5, "Fedora has it in python3 itself.")
    number = site.server.add_issue("Is there a Helm chart?", "We are on Kubernetes.")
    came = site.sync()
    assert set(came) == {"it:issues/3", "it:issues/5", f"it:issues/{number}"}
    assert came["it:issues/3"].metadata["title"] == "Can this run without Docker?"
    assert "Fedora has it" in came["it:issues/5"].text
    assert site.requests <= 10


def test_an_edited_comment_is_read_again(site: Site) -> None:
    site.sync()
    comment = next(row for row in load_export(SAMPLE)["issues"] if row["number"] == 5)["comments_list"][0]
    site.server.edit_comment(5, comment["id"], "Use your package manager.")
    assert "Use your package manager." in site.sync()["it:issues/5"].text


def test_a_deleted_comment_is_removed_from_its_thread(site: Site) -> None:
    site.sync()
    comment = next(row for row in load_export(SAMPLE)["issues"] if row["number"] == 8)["comments_list"][1]
    site.server.delete_comment(8, comment["id"])
    assert "Can confirm" not in site.sync()["it:issues/8"].text


def test_the_next_sync_removes_a_deleted_issue(site: Site) -> None:
    site.sync()
    site.server.delete_issue(43)
    assert site.sync() == {}
    assert "it:issues/43" not in site.index
    assert "it:issues/40" in site.index
    assert site.requests <= 10


def test_few_requests_find_deleted_issues_among_many(store: Store) -> None:
    with GitHubServer(export(issues=1444)) as server:
        site = Site(store, server)
        site.sync()
        for number in (50, 77, 1300):
            server.delete_issue(number)
        site.sync()
        assert {f"it:issues/{number}" for number in range(1, 1445)} - set(site.index) == {
            "it:issues/50",
            "it:issues/77",
            "it:issues/1300",
        }
        assert site.requests <= 20


def test_the_next_sync_removes_many_deleted_issues(store: Store) -> None:
    with GitHubServer(export(issues=900)) as server:
        site = Site(store, server)
        site.sync()
        for number in range(50, 900, 100):
            server.delete_issue(number)
        site.sync()
        assert len(site.index) == 891


def test_a_full_sync_removes_deleted_issues_and_yields_nothing_else(site: Site) -> None:
    site.sync()
    site.server.delete_issue(43)
    assert site.sync(full=True) == {}
    assert site.counts["Removed"] == 1
    assert "it:issues/43" not in site.index
    assert site.store.github.thread("it", 43) is None


def test_a_full_sync_finds_a_deleted_comment_that_left_its_thread_s_time_unchanged(site: Site) -> None:
    site.sync()
    thread = next(row for row in load_export(SAMPLE)["issues"] if row["number"] == 8)
    site.server.delete_comment(8, thread["comments_list"][1]["id"], at=thread["updated_at"])
    assert "Can confirm" not in site.sync(full=True)["it:issues/8"].text


def test_most_of_a_source_is_not_removed_without_consent(store: Store) -> None:
    with GitHubServer(export(issues=40)) as server:
        site = Site(store, server)
        site.sync()
        for number in range(1, 31):
            server.delete_issue(number)
        site.sync(full=True)
        assert site.counts["Failed"] == 1
        assert any("30 of 40 documents are no longer listed" in key for key in site.counts)
        assert len(site.index) == 40


def test_a_kind_that_is_no_longer_included_is_removed(store: Store, server: GitHubServer) -> None:
    both = Site(store, server, include=("issues", "pulls"))
    both.sync()
    Site(store, server, include=("issues",)).sync()
    assert "it:pulls/44" not in both.index
    assert "it:issues/43" in both.index


def test_a_newly_included_kind_is_read(store: Store, server: GitHubServer) -> None:
    Site(store, server, include=("issues",)).sync()
    assert "it:pulls/44" in Site(store, server, include=("issues", "pulls")).sync()


def test_a_source_that_names_another_repository_forgets_the_previous_repository(
    store: Store, server: GitHubServer
) -> None:
    Site(store, server).sync()
    with GitHubServer(export(issues=3)) as other:
        site = Site(store, other)
        site.sync()
        assert set(site.index) == {"it:issues/1", "it:issues/2", "it:issues/3"}
        assert "Comment by" not in str(store.github.comments("it", 3))


def test_a_renamed_repository_is_read_under_its_new_name(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.server.rename("example/answers")
    assert len(site.sync()) == 15
    assert "example/support-engine is now called example/answers" in caplog.text


def test_two_sources_of_one_repository_are_independent(store: Store, server: GitHubServer) -> None:
    one, two = Site(store, server, name="one"), Site(store, server, name="two")
    assert {name.removeprefix("one:") for name in one.sync()} == {name.removeprefix("two:") for name in two.sync()}
    assert one.sync() == {}


# Paging while issues change


def test_more_issues_updated_in_one_second_than_fit_a_page_are_all_read(store: Store) -> None:
    with GitHubServer(export(issues=350, at="2026-01-01T00:00:00Z")) as server:
        assert len(Site(store, server).sync()) == 350


def test_a_late_update_with_the_time_of_the_cursor_is_read(store: Store) -> None:
    with GitHubServer(export(issues=5)) as server:
        site = Site(store, server)
        site.sync()
        last = "2026-01-01T00:04:00Z"
        server.add_issue("Late", at=last)
        server.edit_issue(2, title="Earlier by a minute", at="2026-01-01T00:03:00Z")
        assert set(site.sync()) == {"it:issues/6", "it:issues/2"}


@pytest.mark.parametrize("what", ["update", "delete"])
@pytest.mark.parametrize("same_second", [True, False])
def test_no_issue_is_missed_while_pages_shift(store: Store, what: str, same_second: bool) -> None:
    """Before every request an issue of the first page is updated or deleted, so that later issues move up."""
    numbers = iter(range(1, 20))

    def move(request: int) -> None:
        if 2 < request < 12:
            number = next(numbers)
            if what == "update":
                server.edit_issue(number, title="moved")
            else:
                server.delete_issue(number)

    data = export(issues=420, at="2026-01-01T00:00:00Z" if same_second else None)
    with FaultyGitHubServer(data, before=move) as server:
        site = Site(store, server)
        site.sync()
        missed = {f"it:issues/{number}" for number in range(20, 421)} - set(site.index)
        assert not missed


# Faults, limits and refusals


def test_a_mix_of_all_faults_changes_no_document(store: Store) -> None:
    web_url, rates = "https://x", dict.fromkeys(FAULTS, 0.05)
    kinds: tuple[Any, ...] = ("issues", "pulls", "discussions")
    with (
        FaultyGitHubServer(load_export(SAMPLE), web_url=web_url) as calm,
        FaultyGitHubServer(load_export(SAMPLE), web_url=web_url, rates=rates) as wild,
    ):
        texts = []
        for name, server in (("calm", calm), ("wild", wild)):
            site = Site(store, server, name=name, include=kinds)
            site.token, site.retry = "any", MANY_RETRIES
            documents = site.sync()
            texts.append({key.partition(":")[2]: document.text for key, document in documents.items()})
            for _ in range(10):
                assert site.sync(full=True) == {}
    assert texts[0] == texts[1]
    assert sum(wild.injected.values()) > 5


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_is_retried(site: Site, server: FaultyGitHubServer, kind: str) -> None:
    server.next = [FAULTS[kind](), FAULTS[kind]()]
    assert len(site.sync()) == 15


def test_the_error_names_a_server_that_stays_down_and_the_attempts(site: Site, server: FaultyGitHubServer) -> None:
    server.next = [FAULTS["503"]() for _ in range(4)]
    with pytest.raises(SourceUnavailable, match=r"Service unavailable \(503\)\. Tried 4 times; try again later"):
        site.sync()


def test_the_error_names_an_unreachable_host(site: Site) -> None:
    site.server.stop()
    try:
        with pytest.raises(SourceUnavailable, match=r"http://127.0.0.1:\d+ cannot be read: .*Connection refused"):
            site.sync()
    finally:
        site.server.start = lambda: None
        site.server.stop = lambda: None


def test_an_exhausted_rate_limit_is_waited_for_and_logged(
    site: Site, server: FaultyGitHubServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.next = [Response(429, {"message": "API rate limit exceeded"}, {"Retry-After": "1"})]
    assert len(site.sync()) == 15
    assert "GitHub's rate limit: waiting 1 s, until" in caplog.text
    assert "With a GITHUB_TOKEN it is 5,000 requests an hour instead of 60." in caplog.text


def test_a_rate_limit_longer_than_the_retry_policy_is_an_error_with_its_end(
    site: Site, server: FaultyGitHubServer
) -> None:
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}
    server.next = [Response(403, {"message": "API rate limit exceeded for 192.0.2.1."}, limits)]
    with pytest.raises(SourceUnavailable, match="rate limit is used up until 00:00"):
        site.sync()


def test_a_second_token_is_used_when_the_first_is_exhausted(site: Site, server: FaultyGitHubServer) -> None:
    site.token = "first,second"
    server.next = [Response(403, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"})]
    assert len(site.sync()) == 15
    assert {request.headers["authorization"] for request in server.requests} == {"token first", "token second"}


class AppServer(FaultyGitHubServer):
    """Sends an installation token for a JWT that is signed by the app's key."""

    public_key: Any = None

    def answer(self, request: Any) -> Response:
        if request.path == "/app/installations/22/access_tokens":
            claims = jwt.decode(request.headers["authorization"].split()[1], self.public_key, algorithms=["RS256"])
            assert str(claims["iss"]) == "11"
            expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            token = {"token": "ghs_right", "expires_at": expires, "permissions": {}, "repository_selection": "all"}
            return Response(201, token)
        return super().answer(request)


def test_a_github_app_installation_reads_a_private_repository(store: Store, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (tmp_path / "app.pem").write_bytes(pem)
    with AppServer(load_export(SAMPLE), tokens=("ghs_right",)) as server:
        server.public_key = key.public_key()
        site = Site(store, server)
        site.token = f"app:11:22:{tmp_path / 'app.pem'}"
        assert len(site.sync()) == 15


@pytest.mark.parametrize("token", ["app:11:22:/nowhere.pem", "app:eleven:22:/nowhere.pem", "app:11"])
def test_an_invalid_github_app_token_is_an_error_with_the_expected_form(site: Site, token: str) -> None:
    site.token = token
    with pytest.raises(ConfigurationError, match="app:APP_ID:INSTALLATION_ID:PATH_OF_PRIVATE_KEY"):
        site.sync()


def test_a_listing_beyond_the_rate_limit_logs_its_duration(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with GitHubServer(export(issues=700), rate_limit=5) as server:
        Site(store, server).sync()
    assert "7 requests to send, 5 an hour without a token: about 1.4 hours. Set GITHUB_TOKEN." in caplog.text


def test_a_wrong_token_is_an_error_without_retries(store: Store) -> None:
    with GitHubServer(load_export(SAMPLE), tokens=("right",)) as server:
        site = Site(store, server)
        site.token = "wrong"
        with pytest.raises(SourceError, match=r"http.* does not accept GITHUB_TOKEN") as error:
            site.sync()
        assert not error.value.retryable
        assert site.requests == 1
        assert "wrong" not in str(error.value)
        site.token = "right"
        assert len(site.sync()) == 15


def test_a_private_repository_without_a_token_is_an_error_with_the_setting(store: Store) -> None:
    sentence = "no repository example/support-engine on GitHub, or it is private and GITHUB_TOKEN is not set"
    with GitHubServer(load_export(SAMPLE), tokens=("right",)) as server, pytest.raises(SourceError, match=sentence):
        Site(store, server).sync()


def test_a_source_of_discussions_alone_needs_a_token(store: Store, server: GitHubServer) -> None:
    with pytest.raises(SourceError, match="GITHUB_TOKEN is required to read discussions"):
        Site(store, server, include=("discussions",)).sync()


def test_an_address_that_is_not_an_api_is_an_error_with_the_setting(site: Site, server: FaultyGitHubServer) -> None:
    server.next = [Response(200, "<html>Sign in</html>")]
    with pytest.raises(SourceError, match=r"does not answer like GitHub's API\. Check RAG_GITHUB_API_URL"):
        site.sync()


# Kills


def test_a_killed_and_repeated_sync_gives_the_rows_of_an_undisturbed_sync(store: Store) -> None:
    kinds: tuple[Any, ...] = ("issues", "pulls", "discussions")
    with GitHubServer(load_export(SAMPLE)) as server:
        undisturbed = Site(store, server, name="calm", include=kinds)
        undisturbed.token = "any"
        undisturbed.sync()
        changes = undisturbed.counts.total()
        for moment in range(1, changes + 1, 3):
            site = Site(store, server, name=f"killed-{moment}", include=kinds)
            site.token = "any"
            with pytest.raises(Killed):
                site.sync(die_after=moment)
            site.sync()
            assert _state(store, site) == _state(store, undisturbed)


def _state(store: Store, site: Site) -> Any:
    """All rows of a source, without its name."""
    name = site.config.name
    threads = {number: store.github.thread(name, number) for number in store.github.numbers(name)}
    comments = {number: store.github.comments(name, number) for number in threads}
    cursor = {key: value for key, value in store.sources.cursor(name).items() if key != "etags"}
    documents = {key.removeprefix(f"{name}:") for key in site.index}
    return threads, comments, cursor, documents, store.github.pending(name)


# A real repository


@pytest.mark.slow  # 1,444 threads
def test_a_working_group_s_repository_is_read_completely(store: Store, shared_data: Path) -> None:
    data = json.loads(gzip.decompress((shared_data / "tls13-spec.github.json.gz").read_bytes()))
    with GitHubServer(data, web_url="https://github.com") as server:
        site = Site(store, server, include=("issues", "pulls"))
        documents = site.sync()
        assert len(documents) == 1444
        assert site.requests <= 41
        assert documents["it:issues/6"].metadata["url"] == "https://github.com/tlswg/tls13-spec/issues/6"
        assert site.sync() == {}
        assert site.requests <= 5
        server.edit_issue(6, title="Drop static RSA key exchange")
        server.add_comment(12, "Seen in the wild.")
        server.delete_issue(47)
        number = server.add_issue("Another question", "Why?")
        assert set(site.sync()) == {"it:issues/6", "it:issues/12", f"it:issues/{number}"}
        assert "it:issues/47" not in site.index
        assert site.requests <= 10
