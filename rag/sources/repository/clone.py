"""A clone of a repository: fetch its newest commit, list the files, read blobs."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.sources.repository.git import environment, run_git, split_credentials, without_secrets
from rag.sources.repository.hosts import Host, host_of, web_address
from rag.trust.private import make_private

__all__ = ["LARGEST_BLOB", "MOST_PATHS", "Blob", "Clone", "Reader", "open_clone"]

#: In bytes. Larger blobs are not fetched if the server can leave them out; a file as large as that is not read anyway.
LARGEST_BLOB = 10_000_000
#: The most files of a commit, five times those of Linux, and the limits of their listing, in bytes and seconds.
MOST_PATHS = 500_000
_LONGEST_LISTING = 200_000_000
_LONGEST_ENTRY = 10_000_000
_LISTING_SECONDS = 300
_HEAD = "refs/heads/rag"
# The remote is named on each command line, and not in the clone: git would fetch a blob that was left out as soon as it
# is asked for its size.
_LEAVING_OUT = ("-c", "remote.rag.promisor=true", "-c", f"remote.rag.partialclonefilter=blob:limit={LARGEST_BLOB + 1}")
_NO_SHALLOW = re.compile(r"does not support shallow", re.IGNORECASE)
_ADDRESS = re.compile(r"^(?:(?:https?|ssh|git|file)://|(?:[\w.-]+@)?[\w][\w.-]*:(?!:))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit, or a symbolic link, whose content is its target.

    :param path: from the top of the repository; bytes that are not UTF-8 are escaped
    :param name: the same path in bytes
    :param size: in bytes; more than `LARGEST_BLOB` if the blob was not fetched
    """

    path: str
    name: bytes
    sha: str
    size: int
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Clone:
    """A local clone of a repository, at one commit.

    :param host: the website that shows its files, if there is one
    :param place: the address of its files if there is no host
    :param is_cache: the clone belongs to this program, which can fetch it again
    """

    folder: Path
    commit: str
    host: Host | None
    place: str
    is_cache: bool = False

    @property
    def shown(self) -> str:
        """The address of the repository, for messages."""
        return self.host.web if self.host else self.place

    def blobs(self, *, most: int = MOST_PATHS) -> Iterator[Blob]:
        """Yield every file and symbolic link of the commit, without submodules.

        :param most: the most files that the commit may have
        :raises SourceError: the repository is damaged, or has more files than can be listed
        """
        for entry in self._listing(most):
            about, _, name = entry.partition(b"\t")
            mode, kind, sha, size = about.split()
            if kind == b"blob":
                if not size.isdigit() and not self._is_partial():
                    raise self.damaged()
                path = name.decode("utf-8", "backslashreplace")
                length = int(size) if size.isdigit() else LARGEST_BLOB + 1
                yield Blob(path, name, sha.decode(), length, mode == b"120000")

    def _is_partial(self) -> bool:
        """Return whether blobs were left out when the commit was fetched."""
        return self.is_cache and any(self.folder.glob("objects/pack/*.promisor"))

    def _listing(self, most: int) -> list[bytes]:
        """Return the entries of the commit as git prints them, within limits.

        Folders can share their content, so that a small repository can have more paths than git can ever list.
        """
        arguments = ("ls-tree", "-r", "-l", "-z", "--full-tree", self.commit)
        with subprocess.Popen(  # noqa: S603 - no shell
            ["git", "-C", str(self.folder), *arguments],  # noqa: S607 - the git that the user has
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        ) as process:  # fmt: skip
            timer = threading.Timer(_LISTING_SECONDS, process.kill)
            timer.start()
            assert process.stdout
            assert process.stderr
            try:
                entries = list(self._limited(process.stdout, most))
                errors = process.stderr.read(100_000)
                code = process.wait()
            finally:
                is_late = timer.finished.is_set()
                timer.cancel()
                process.kill()
        if is_late:
            raise self._too_large(f"listing its files takes more than {_LISTING_SECONDS} seconds")
        if b"maximum allowed tree depth" in errors:
            raise self._too_large("its folders are nested too deeply")
        if code:
            raise self.damaged()
        return entries

    def _limited(self, output: IO[bytes], most: int) -> Iterator[bytes]:
        count = length = 0
        rest = b""
        while part := output.read1(1 << 16):  # type: ignore[attr-defined]
            *entries, rest = (rest + part).split(b"\0")
            count, length = count + len(entries), length + len(part)
            if count > most or length > _LONGEST_LISTING or len(rest) > _LONGEST_ENTRY:
                raise self._too_large(f"it has more than {most:,} files, or longer paths than can be read")
            yield from entries

    def _too_large(self, reason: str) -> SourceError:
        return SourceError(f"The repository {self.shown} is too large: {reason}. Check its url.")

    def reader(self) -> Reader:
        """Return a reader of blobs, to be used in a `with` statement."""
        return Reader(self)

    def damaged(self) -> SourceError:
        """Return the error for a damaged clone, and remove the clone if this program can fetch it again."""
        if not self.is_cache:
            return SourceError(f"The repository {self.folder} is damaged. Run git fsck in it.")
        shutil.rmtree(self.folder, ignore_errors=True)
        return SourceUnavailable(
            f"The clone of {self.shown} was damaged and has been removed. The next sync clones it again."
        )

    def link(self, path: str | bytes, commit: str) -> str:
        """Return the permalink of a file at a commit, or its address below `place` if no website shows it."""
        if self.host:
            return self.host.link_file(path, commit)
        return f"{self.place}/{quote(path)}"


class Reader(AbstractContextManager["Reader"]):
    """Reads the content of blobs, one after the other, from one git process."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._process = subprocess.Popen(  # noqa: S603 - no shell, and no argument from outside
            ["git", "-C", str(clone.folder), "cat-file", "--batch"],  # noqa: S607 - the git that the user has
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def read(self, blob: Blob) -> bytes:
        """Return the content of a blob.

        :raises SourceError: the repository is damaged
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(f"{blob.sha}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._clone.damaged() from None
        header = self._process.stdout.readline().split()
        if len(header) != 3:
            raise self._clone.damaged()
        content = self._process.stdout.read(int(header[2]))
        if len(content) != int(header[2]) or self._process.stdout.read(1) != b"\n":
            raise self._clone.damaged()
        return content


def open_clone(url: str, cache: Path) -> Clone:
    """Fetch the newest commit of a repository, without its history.

    :param url: an address that `git clone` accepts, or the path of a local clone, which is read in place
    :param cache: the folder of the clone
    :raises ConfigurationError: git is not installed
    :raises SourceUnavailable: the repository cannot be reached now
    :raises SourceError: the repository does not exist, is empty, or may not be read
    """
    if shutil.which("git") is None:
        raise ConfigurationError(f"git is not installed; install it to read the repository {without_secrets(url)}.")
    if "://" not in url and (local := Path(url).expanduser()).is_dir():
        return _open_local(local.absolute())
    if not _ADDRESS.match(url):
        raise SourceError(
            f"There is no folder {Path(url).expanduser().absolute()}, and {without_secrets(url)} is not the address "
            "of a repository. Check url."
        )
    is_known = (cache / "HEAD").exists()
    try:
        commit = _fetch(url, cache)
    except SourceUnavailable:
        raise
    except SourceError:
        if not is_known or _is_sound(cache):
            raise
        # An interrupted run or a disk error damaged the clone; everything in it can be fetched again.
        shutil.rmtree(cache, ignore_errors=True)
        commit = _fetch(url, cache)
    return _cached(url, cache, commit)


def _cached(url: str, cache: Path, commit: str) -> Clone:
    place = without_secrets(url).rstrip("/")
    web = web_address(url)
    if urlsplit(url).scheme == "file":
        web = _origin(Path(unquote(urlsplit(url).path)), commit)
    return Clone(cache, commit, host_of(web) if web else None, place, is_cache=True)


def _open_local(folder: Path) -> Clone:
    top = Path(run_git("rev-parse", "--show-cdup", folder=folder).decode().strip() or ".")
    commit = _commit(folder, "HEAD")
    web = _origin(folder, commit)
    return Clone(folder, commit, host_of(web) if web else None, (folder / top).resolve().as_uri())


def _origin(folder: Path, commit: str) -> str | None:
    """Return the web address of a local clone's origin, if the commit is known to be on it."""
    try:
        origin = run_git("config", "--get", "remote.origin.url", folder=folder).decode().strip()
        known = run_git("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes", folder=folder).strip()
        if not known:
            known = run_git("config", "--type=bool", "--get", "remote.origin.mirror", folder=folder).strip()
    except SourceError:
        return None
    return web_address(origin) if known and known != b"false" else None


def _fetch(url: str, cache: Path) -> str:
    """Fetch the commit of the remote's HEAD, whatever its branch is called, and return it."""
    if not (cache / "HEAD").exists():
        # A clone may be of a private repository.
        make_private(cache.parent)
        make_private(cache)
        run_git("init", "--quiet", "--bare", folder=cache)
    address, variables = split_credentials(url)
    slow_transfers = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "gc.autoDetach=false")
    wanted = ("--quiet", "--no-tags", "--force", "--no-recurse-submodules", "--no-write-fetch-head")
    options = (*slow_transfers, "-c", f"remote.rag.url={address}")
    fetch = partial(run_git, folder=cache, shown=url, variables=variables, is_limited=True)
    refs = ("--", "rag", f"+HEAD:{_HEAD}")
    try:
        fetch(*options, *_LEAVING_OUT, "fetch", "--depth=1", *wanted, *refs)
    except SourceError as error:
        if not _NO_SHALLOW.search(str(error)):
            raise
        # A web server that serves the files of a repository can leave nothing out.
        fetch(*options, "fetch", *wanted, *refs)
    return _commit(cache, _HEAD)


def _is_sound(cache: Path) -> bool:
    """Return whether git can use a clone; a lock left behind by a killed process is enough to prevent it."""
    if any(cache.glob("*.lock")) or any(cache.glob("refs/**/*.lock")):
        return False
    try:
        run_git("rev-parse", "--git-dir", folder=cache)
        # It must be a repository itself, not a folder of another repository.
        if Path(run_git("rev-parse", "--absolute-git-dir", folder=cache).decode().strip()) != cache.resolve():
            return False
        if run_git("for-each-ref", _HEAD, folder=cache):
            run_git(*_LEAVING_OUT, "fsck", "--connectivity-only", "--no-dangling", folder=cache)
    except SourceError:
        return False
    return True


def _commit(folder: Path, name: str) -> str:
    try:
        return run_git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", folder=folder).decode().strip()
    except SourceError as error:
        raise SourceError(f"The repository {folder} has no commit yet.") from error
