"""A git repository as a source: its files, their links, and incremental syncs."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag.errors import ConfigurationError, SourceError
from rag.settings import RepositoryConfig
from rag.sources import Change, Changed, Checkpoint, Failed, Removed, Unchanged
from rag.sources.repository import RepositorySource
from rag.sources.repository.clone import LARGEST_BLOB, open_clone
from rag.store.store import Store
from tests.integration.sources.commits import commit
from tests.servers.git_server import git_server


class Repository:
    """A git repository for commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, input: str | None = None) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            input=input,
        )
        return done.stdout.strip()

    def commit(self, **files: str | bytes | None) -> str:
        """Write files (docs__a for "docs/a.md"), or delete them if None; commit, and return the commit."""
        for name, text in files.items():
            path = self.folder / (name.replace("__", "/") + ("" if "." in name else ".md"))
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "upstream")


def read(
    store: Store, home: Path, url: str, *, full: bool = False, paths: tuple[str, ...] = ("**/*.md",)
) -> list[Change]:
    """Sync the repository, and commit and return its changes, as ingestion does."""
    store.sources.register("handbook", "repository")
    source = RepositorySource(RepositoryConfig(name="handbook", url=url, paths=paths), store, home)
    changes = []
    for change in source.changes(full=full):
        changes.append(change)
        commit(store, change)
    return changes


def documents(changes: list[Change]) -> dict[str, Changed]:
    return {change.document.id_.removeprefix("handbook:"): change for change in changes if isinstance(change, Changed)}


def test_matching_files_become_documents(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(docs__a="# A guide\n\nText.", docs__deep__b="Text.", README="# Readme\n\nHello.", other__c="# C")

    found = documents(read(store, tmp_path, str(repository.folder), paths=("docs/**/*.md", "README.md")))

    assert set(found) == {"docs/a.md", "docs/deep/b.md", "README.md"}
    document = found["docs/a.md"].document
    assert document.text == "# A guide {#a-guide}\n\nText."
    assert document.metadata == {
        "url": (repository.folder / "docs/a.md").as_uri(),
        "title": "A guide",
        "source": "handbook",
        "kind": "file",
    }


def test_a_remote_is_cloned_without_its_history(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    repository.commit(a="# A, again")

    found = documents(read(store, tmp_path, repository.folder.as_uri()))

    assert found["a.md"].document.text.startswith("# A, again")
    clone = tmp_path / "repositories" / "handbook"
    count = subprocess.run(
        ["git", "-C", str(clone), "rev-list", "--count", "refs/heads/rag"], check=True, capture_output=True, text=True
    )
    assert count.stdout.strip() == "1"


@pytest.mark.parametrize("remote", [True, False])
def test_only_changed_files_are_read_again(store: Store, repository: Repository, tmp_path: Path, remote: bool) -> None:
    url = repository.folder.as_uri() if remote else str(repository.folder)
    repository.commit(a="# A", b="# B", c="# C")
    read(store, tmp_path, url)
    repository.commit(a="# A, new", c=None)

    changes = read(store, tmp_path, url)

    assert set(documents(changes)) == {"a.md"}
    assert [change.document_id for change in changes if isinstance(change, Removed)] == ["handbook:c.md"]
    assert [change.document_id for change in changes if isinstance(change, Unchanged)] == ["handbook:b.md"]


def test_a_sync_without_new_commits_writes_nothing(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    read(store, tmp_path, repository.folder.as_uri())

    changes = read(store, tmp_path, repository.folder.as_uri())

    assert [type(change) for change in changes] == [Unchanged]
    assert changes[0].record is None  # type: ignore[union-attr]


def test_links_name_a_commit_and_change_only_with_the_file(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    repository.git("remote", "add", "origin", "git@github.com:owner/name.git")
    first = repository.commit(a="# A", docs__b="# B")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    before = documents(read(store, tmp_path, str(repository.folder)))
    second = repository.commit(a="# A, new")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")

    changed = documents(read(store, tmp_path, str(repository.folder)))
    everything = documents(read(store, tmp_path, str(repository.folder), full=True))

    link = "https://github.com/owner/name/blob"
    assert before["docs/b.md"].document.metadata["url"] == f"{link}/{first}/docs/b.md"
    assert changed["a.md"].document.metadata["url"] == f"{link}/{second}/a.md"
    assert everything["docs/b.md"].document.hash == before["docs/b.md"].document.hash


def test_a_file_of_an_unpushed_commit_has_a_local_link(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.git("remote", "add", "origin", "https://github.com/owner/name.git")
    repository.commit(a="# A")

    found = documents(read(store, tmp_path, str(repository.folder)))

    assert found["a.md"].document.metadata["url"].startswith("file:///")


def test_the_title_is_read_from_the_front_matter(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="---\ntitle: 'Set up'\nsidebar: 3\n---\n\nText.", how_to="Text.")

    found = documents(read(store, tmp_path, str(repository.folder)))

    assert found["a.md"].document.metadata["title"] == "Set up"
    assert found["a.md"].document.text == "Text."
    assert found["how_to.md"].document.metadata["title"] == "how to"


def test_a_file_that_becomes_empty_is_removed(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A", b="# B")
    read(store, tmp_path, str(repository.folder))
    repository.commit(a="---\ndraft: true\n---\n")

    changes = read(store, tmp_path, str(repository.folder))

    assert [change.document_id for change in changes if isinstance(change, Removed)] == ["handbook:a.md"]
    assert not any(isinstance(change, Removed) for change in read(store, tmp_path, str(repository.folder)))


def test_a_binary_file_is_reported_and_other_files_are_read(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(a=b"\x00\x01\x02", b="# B")

    changes = read(store, tmp_path, str(repository.folder))

    assert [change.error for change in changes if isinstance(change, Failed)] == ["the file is binary"]
    assert set(documents(changes)) == {"b.md"}


def test_changed_paths_remove_files_that_no_longer_match(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(docs__a="# A", blog__b="# B")
    read(store, tmp_path, str(repository.folder))

    changes = read(store, tmp_path, str(repository.folder), paths=("docs/**",))

    assert [change.document_id for change in changes if isinstance(change, Removed)] == ["handbook:blog/b.md"]


def test_an_incomplete_clone_is_replaced(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    clone = tmp_path / "repositories" / "handbook"
    clone.mkdir(parents=True)
    (clone / "HEAD").write_text("ref: refs/heads/main\n")

    assert set(documents(read(store, tmp_path, repository.folder.as_uri()))) == {"a.md"}


def test_a_changed_url_reads_the_other_repository(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    read(store, tmp_path, repository.folder.as_uri())
    other = Repository(tmp_path / "other")
    other.commit(b="# B")

    changes = read(store, tmp_path, other.folder.as_uri())

    assert set(documents(changes)) == {"b.md"}
    assert [change.document_id for change in changes if isinstance(change, Removed)] == ["handbook:a.md"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/no/such/folder", "There is no folder /no/such/folder"),
        ("file:///no/such/repository", "The repository file:///no/such/repository cannot be read"),
        ("ext::sh -c evil", "not the address of a repository|cannot be read"),
        ("--upload-pack=evil", "not the address of a repository"),
        ("http://user:secret@127.0.0.1:1/x.git", "The repository http://127.0.0.1:1/x.git cannot be reached"),
    ],
)
def test_an_unreadable_repository_is_a_one_line_error_with_its_name(
    store: Store, tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read(store, tmp_path, url)

    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_repository_without_commits_is_an_error(store: Store, repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no commit yet"):
        read(store, tmp_path, str(repository.folder))


def test_paths_that_match_nothing_are_an_error_and_remove_nothing(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(a="# A")
    read(store, tmp_path, str(repository.folder))

    with pytest.raises(SourceError, match=r"None of the 1 files of .* match paths of handbook: docs/\*\*"):
        read(store, tmp_path, str(repository.folder), paths=("docs/**",))

    assert store.documents.hashes("handbook")


def test_a_missing_git_program_is_a_one_line_error(
    store: Store, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match="git is not installed; install it"):
        read(store, tmp_path, str(repository.folder))


def test_the_cursor_names_the_commit(store: Store, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(a="# A")

    changes = read(store, tmp_path, str(repository.folder))

    assert isinstance(changes[-1], Checkpoint)
    assert store.sources.cursor("handbook")["commit"] == commit


# Over HTTP


def serve(repository: Repository) -> str:
    """Return the name of the repository on the server."""
    return f"{repository.folder.name}/.git"


def test_links_to_existing_files_become_permalinks(store: Store, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(
        docs__guide=(
            "# Guide\n\nSee [setup](setup.md#second-step), [gone](setup.md#no-such-heading), [below](#more),\n"
            "[the folder](../src/), [code](../src/run.py#L2-L3), ![map](map.png), [nowhere](lost.md),\n"
            "[outside](../../etc/passwd), [the site](https://example.org/a.md), [by name][s] and `[not](setup.md)`.\n\n"
            '<a href="setup.md">by hand</a>\n\n| Cell |\n|---|\n| [setup](/docs/setup) |\n\n'
            "```\n[code](setup.md)\n```\n\n## More\n\n[s]: setup.md 'Title'\n"
        ),
        docs__setup="# Set up\n\n## Second step\n\nText.",
        **{"src__run.py": "a\nb\nc\n", "docs__map.png": b"\x89PNG\0"},
    )
    with git_server(tmp_path) as server:
        text = documents(read(store, tmp_path, f"{server}/{serve(repository)}"))["docs/guide.md"].document.text

    web = f"{server}/{repository.folder.name}/"
    setup = f"{web}blob/{commit}/docs/setup.md"
    assert text.split("\n\n")[1:] == [
        f"See [setup]({setup}#second-step), [gone]({setup}), [below]({web}blob/{commit}/docs/guide.md#more),\n"
        f"[the folder]({web}tree/{commit}/src), [code]({web}blob/{commit}/src/run.py#L2-L3), "
        f"![map]({web}raw/{commit}/docs/map.png), nowhere,\n"
        f"outside, [the site](https://example.org/a.md), [by name]({setup}) and `[not](setup.md)`.",
        f"[by hand]({setup})",
        f"| Cell |\n|---|\n| [setup]({setup}) |",
        "```\n[code](setup.md)\n```",
        "## More {#more}",
    ]


def test_a_link_changes_with_its_target_and_not_with_every_commit(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    with git_server(tmp_path) as server:
        url = f"{server}/{serve(repository)}"
        repository.commit(a="# A\n\n[b](b.md#use)", b="# B\n\n## Use")
        read(store, tmp_path, url)
        repository.commit(c="# C")
        assert set(documents(read(store, tmp_path, url))) == {"c.md"}
        repository.commit(b="# B\n\n## Usage")
        read(store, tmp_path, url)
        text = documents(read(store, tmp_path, url, full=True))["a.md"].document.text
    assert "b.md)" in text


def test_a_clone_over_http_follows_a_rewritten_history_and_a_renamed_branch(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    with git_server(tmp_path) as server:
        url = f"{server}/{serve(repository)}"
        repository.commit(a="# A", b="# B")
        read(store, tmp_path, url)
        repository.git("checkout", "--quiet", "--orphan", "trunk")
        repository.commit(a="# Another A")
        repository.git("branch", "--quiet", "-D", "main")
        repository.commit(b=None)
        changes = read(store, tmp_path, url)
    assert set(documents(changes)) == {"a.md"}
    assert [change.document_id for change in changes if isinstance(change, Removed)] == ["handbook:b.md"]


def test_a_token_in_the_address_is_used_and_never_stored(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A\n\n[self](a.md)")
    basic = "Basic " + base64.b64encode(b"me:hunter2").decode()
    with git_server(tmp_path, authorization=basic) as server:
        with pytest.raises(SourceError, match="cannot be read") as refused:
            read(store, tmp_path, f"{server}/{serve(repository)}")
        url = f"{server.replace('//', '//me:hunter2@')}/{serve(repository)}"
        document = documents(read(store, tmp_path, url))["a.md"].document
    assert "\n" not in str(refused.value)
    assert "hunter2" not in document.text + str(document.metadata)
    clone = tmp_path / "repositories" / "handbook"
    kept = [path for path in clone.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert kept == []


def test_a_host_that_a_redirect_leads_to_gets_no_token(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    seen: list[str | None] = []
    shown: list[bytes] = []

    class Thief(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            shown.extend(command for command in commands if b"hunter2" in command)
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Redirect(Thief):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{thief.server_address[1]}{self.path}")
            self.end_headers()

    with serving(Thief) as thief, serving(Redirect) as host:
        url = f"http://me:hunter2@127.0.0.1:{host.server_address[1]}/r.git"
        with pytest.raises(SourceError) as refused:
            read(store, tmp_path, url)

    assert (seen, shown) == ([None], []), "nor does the list of processes show it"
    assert "hunter2" not in str(refused.value)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_clone_is_for_its_owner_only(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="# A")
    (tmp_path / "repositories").mkdir(mode=0o755)
    with git_server(tmp_path) as server:
        read(store, tmp_path, f"{server}/{serve(repository)}")
    folders = (tmp_path / "repositories", tmp_path / "repositories" / "handbook")
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]


def test_a_symbolic_link_is_read_once_and_never_leaves_the_repository(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    (repository.folder / "docs").mkdir()
    (repository.folder / "docs" / "same.md").symlink_to("../a.md")
    (repository.folder / "docs" / "out.md").symlink_to("/etc/passwd")
    repository.commit(a="# A")

    assert set(documents(read(store, tmp_path, str(repository.folder)))) == {"a.md"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "in Git LFS"),
        (bytes(range(128, 256)) * 40, "the encoding of the file is unknown"),
        (b"x" * 10_000_001, "larger than 10 MB"),
    ],
)
def test_an_unreadable_file_is_reported_and_other_files_are_read(
    store: Store, repository: Repository, tmp_path: Path, content: bytes, error: str
) -> None:
    repository.commit(bad=content, good="# Good")

    changes = read(store, tmp_path, str(repository.folder))

    assert [error in change.error for change in changes if isinstance(change, Failed)] == [True]
    assert set(documents(changes)) == {"good.md"}


def test_file_names_with_spaces_quotes_and_other_bytes_are_read(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    names = [b"with space.md", b'quo"te.md', "über.md".encode(), b"latin-\xe4.md"]
    for name in names:
        Path(os.fsdecode(os.fsencode(repository.folder) + b"/" + name)).write_text("# T\n\nText.")
    repository.commit()
    with git_server(tmp_path) as server:
        found = documents(read(store, tmp_path, f"{server}/{serve(repository)}"))
    urls = {change.document.metadata["url"].rsplit("/", 1)[1] for change in found.values()}
    assert urls == {"with%20space.md", "quo%22te.md", "%C3%BCber.md", "latin-%E4.md"}


def test_narrower_paths_remove_files_without_consent(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(**{f"blog__{number}": "# Post" for number in range(30)}, docs__a="# A")
    read(store, tmp_path, str(repository.folder))

    changes = read(store, tmp_path, str(repository.folder), paths=("docs/**",))

    assert sum(isinstance(change, Removed) for change in changes) == 30


def test_removing_most_files_needs_consent(store: Store, repository: Repository, tmp_path: Path) -> None:
    repository.commit(**{f"p{number}": "# Page" for number in range(30)}, keep="# Keep")
    read(store, tmp_path, str(repository.folder))
    repository.commit(**dict.fromkeys((f"p{number}" for number in range(30)), None))

    changes = read(store, tmp_path, str(repository.folder))

    assert [change for change in changes if isinstance(change, Removed)] == []
    assert ["--accept-removals" in change.error for change in changes if isinstance(change, Failed)] == [True]


def test_a_notebook_is_read_as_its_site_shows_it(store: Store, repository: Repository, tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Sums\n\nSee [B](b.md)."},
        {"cell_type": "code", "source": "1 + 1", "outputs": [{"output_type": "pyout", "text": "2"}]},
    ]
    repository.commit(**{"a.ipynb": json.dumps({"cells": cells}), "b": "# B"})

    found = documents(read(store, tmp_path, str(repository.folder), paths=("*.ipynb",)))

    document = found["a.ipynb"].document
    assert document.metadata["title"] == "Sums"
    assert document.text.endswith("```python\n1 + 1\n```\n\n```text\n2\n```")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a\nb.md", "control character"),
        ("\x7f.md", "control character"),
        ("/".join(["d" * 200] * 11) + "/a.md", "longer"),
    ],
)
def test_a_path_that_cannot_be_stored_fails_alone(
    store: Store, repository: Repository, tmp_path: Path, path: str, problem: str
) -> None:
    place = repository.folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("# A")
    repository.commit(good="# Good")

    changes = read(store, tmp_path, str(repository.folder))

    [failed] = [change for change in changes if isinstance(change, Failed)]
    assert problem in failed.error
    assert failed.url.isprintable()
    assert set(documents(changes)) == {"good.md"}


def test_a_symbolic_link_with_an_endless_target_fails_alone(
    store: Store, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(good="# Good")
    (tmp_path / "target").write_bytes(b"x" * 1_000_000)
    blob = repository.git("hash-object", "-w", str(tmp_path / "target"))
    repository.git("update-index", "--add", "--cacheinfo", f"120000,{blob},link.md")
    repository.git("commit", "--quiet", "--message", "x")

    changes = read(store, tmp_path, str(repository.folder))

    [failed] = [change for change in changes if isinstance(change, Failed)]
    assert failed.url.endswith("/link.md")
    assert set(documents(changes)) == {"good.md"}


def test_a_blob_too_large_to_be_read_is_not_fetched(store: Store, repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "large.md").write_bytes(random.Random(1).randbytes(LARGEST_BLOB + 1))
    repository.commit(good="# Good")
    repository.git("config", "uploadpack.allowFilter", "true")

    changes = read(store, tmp_path, repository.folder.as_uri())
    repository.commit(other="# Other")
    again = read(store, tmp_path, repository.folder.as_uri())

    assert {change.error for change in (*changes, *again) if isinstance(change, Failed)} == {
        "the file is larger than 10 MB"
    }
    assert (set(documents(changes)), set(documents(again))) == ({"good.md"}, {"other.md"})
    fetched = sum(file.stat().st_size for file in (tmp_path / "repositories").rglob("*") if file.is_file())
    assert fetched < LARGEST_BLOB / 10


def test_a_repository_of_endless_paths_is_refused(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("# A")
    blob = repository.git("hash-object", "-w", str(tmp_path / "text"))
    entries = "".join(f"100644 blob {blob}\tf{n}.md\n" for n in range(30))
    for _ in range(6):  # each folder holds the same folder thirty times
        tree = repository.git("mktree", input=entries)
        entries = "".join(f"040000 tree {tree}\td{n}\n" for n in range(30))
    repository.git("update-ref", "refs/heads/main", repository.git("commit-tree", "-m", "x", tree))
    clone = open_clone(str(repository.folder), tmp_path / "cache")

    with pytest.raises(SourceError, match=r"too large: it has more than 2,000 files"):
        list(clone.blobs(most=2_000))
