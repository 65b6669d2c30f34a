"""Run git: fetch a commit, list its files, read blobs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from rag.errors import ConfigurationError, SourceError, SourceUnavailable
from rag.sources.repository.hosts import Host, host_of, web_address
from rag.trust.private import make_private

__all__ = ["MOST_PATHS", "Blob", "Clone", "Reader", "open_clone", "without_secrets"]

_TIMEOUT = 1800
#: The most files of a commit, five times those of Linux, and the limits of their listing, in bytes and seconds.
MOST_PATHS = 500_000
_LONGEST_LISTING = 200_000_000
_LONGEST_ENTRY = 10_000_000
_LISTING_SECONDS = 300
_HEAD = "refs/heads/rag"
_TRANSIENT = re.compile(
    r"could not resolve host|temporary failure|timed? ?out|connection (?:refused|reset|closed)|early eof|"
    r"network is unreachable|no route to host|couldn't connect|failed to connect|returned error: (?:429|5\d\d)|"
    r"rpc failed|remote end hung up|operation too slow|empty reply from server",
    re.IGNORECASE,
)
_NO_SHALLOW = re.compile(r"does not support shallow", re.IGNORECASE)
_ADDRESS = re.compile(r"^(?:(?:https?|ssh|git|file)://|(?:[\w.-]+@)?[\w][\w.-]*:(?!:))", re.IGNORECASE)
_ERROR_PREFIXES = ("fatal:", "error:")
# A shell function, which git calls with "get" when the host asks for a password.
_HELPER = (
    """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$RAG_GIT_USER" "$RAG_GIT_PASSWORD"; }; f"""
)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
# Variables that set the repository that git works on; here it is always passed as an argument.
_REPOSITORY_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit, or a symbolic link, whose content is its target.

    :param path: from the top of the repository; bytes that are not UTF-8 are escaped
    :param name: the same path in bytes
    :param size: in bytes
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
                if not size.isdigit():
                    raise self.damaged()
                path = name.decode("utf-8", "backslashreplace")
                yield Blob(path, name, sha.decode(), int(size), mode == b"120000")

    def _listing(self, most: int) -> list[bytes]:
        """Return the entries of the commit as git prints them, within limits.

        Folders can share their content, so that a small repository can have more paths than git can ever list.
        """
        arguments = ("ls-tree", "-r", "-l", "-z", "--full-tree", self.commit)
        with subprocess.Popen(  # noqa: S603 - no shell
            ["git", "-C", str(self.folder), *arguments],  # noqa: S607 - the git that the user has
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(),
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
            env=_environment(),
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
    top = Path(_git("rev-parse", "--show-cdup", folder=folder).decode().strip() or ".")
    commit = _commit(folder, "HEAD")
    web = _origin(folder, commit)
    return Clone(folder, commit, host_of(web) if web else None, (folder / top).resolve().as_uri())


def _origin(folder: Path, commit: str) -> str | None:
    """Return the web address of a local clone's origin, if the commit is known to be on it."""
    try:
        origin = _git("config", "--get", "remote.origin.url", folder=folder).decode().strip()
        known = _git("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes", folder=folder).strip()
        if not known:
            known = _git("config", "--type=bool", "--get", "remote.origin.mirror", folder=folder).strip()
    except SourceError:
        return None
    return web_address(origin) if known and known != b"false" else None


def _fetch(url: str, cache: Path) -> str:
    """Fetch the commit of the remote's HEAD, whatever its branch is called, and return it."""
    if not (cache / "HEAD").exists():
        # A clone may be of a private repository.
        make_private(cache.parent)
        make_private(cache)
        _git("init", "--quiet", "--bare", folder=cache)
    address, environment = _split_credentials(url)
    slow_transfers = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "gc.autoDetach=false")
    wanted = ("--quiet", "--no-tags", "--force", "--no-recurse-submodules", "--no-write-fetch-head")
    refs = ("--", address, f"+HEAD:{_HEAD}")
    try:
        _git(*slow_transfers, "fetch", "--depth=1", *wanted, *refs, folder=cache, shown=url, environment=environment)
    except SourceError as error:
        if not _NO_SHALLOW.search(str(error)):
            raise
        _git(*slow_transfers, "fetch", *wanted, *refs, folder=cache, shown=url, environment=environment)
    return _commit(cache, _HEAD)


def _is_sound(cache: Path) -> bool:
    """Return whether git can use a clone; a lock left behind by a killed process is enough to prevent it."""
    if any(cache.glob("*.lock")) or any(cache.glob("refs/**/*.lock")):
        return False
    try:
        _git("rev-parse", "--git-dir", folder=cache)
        # It must be a repository itself, not a folder of another repository.
        if Path(_git("rev-parse", "--absolute-git-dir", folder=cache).decode().strip()) != cache.resolve():
            return False
        if _git("for-each-ref", _HEAD, folder=cache):
            _git("fsck", "--connectivity-only", "--no-dangling", folder=cache)
    except SourceError:
        return False
    return True


def _commit(folder: Path, name: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", folder=folder).decode().strip()
    except SourceError as error:
        raise SourceError(f"The repository {folder} has no commit yet.") from error


def _split_credentials(url: str) -> tuple[str, Mapping[str, str]]:
    """Return an address without its user and password, and the variables that pass these to git.

    The address is visible in the list of processes, and git writes it to files. Git asks the helper for the host of the
    address only: a host that a redirect leads to gets nothing.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url, {}
    settings = {
        "credential.helper": "",  # no other helper learns the password
        f"credential.{parts.scheme}://{parts.netloc.rpartition('@')[2]}.helper": _HELPER,
    }
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    environment = {
        "GIT_CONFIG_COUNT": str(count + len(settings)),
        "RAG_GIT_USER": unquote(parts.username or ""),
        "RAG_GIT_PASSWORD": unquote(parts.password or ""),
    }
    for number, (key, value) in enumerate(settings.items(), count):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return without_secrets(url), environment


def _git(
    *arguments: str, folder: Path, shown: str | None = None, environment: Mapping[str, str] | None = None
) -> bytes:
    """Run git and return its output.

    :param shown: the address to name in an error, instead of the folder
    :raises SourceError: git fails
    """
    place = without_secrets(shown) if shown else str(folder)
    with subprocess.Popen(  # noqa: S603 - no shell, and addresses come after --
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git that the user has
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_environment(), **(environment or {})},
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise SourceUnavailable(
                f"git did not finish with {place} in {_TIMEOUT // 60} minutes; try again later."
            ) from error
        finally:
            if process.poll() is None:
                # Kill its children too, such as ssh, which would keep running.
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == 0:
        return output
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    message = next((line for line in lines if line.startswith(_ERROR_PREFIXES)), lines[-1] if lines else "no message")
    if message.startswith(_ERROR_PREFIXES):
        message = message.partition(": ")[2]
    message = without_secrets(message).rstrip(".")
    if _TRANSIENT.search(" ".join(lines)):
        raise SourceUnavailable(f"The repository {place} cannot be reached: {message}. Try again later.")
    raise SourceError(f"The repository {place} cannot be read: {message}. Check its url, and that you may read it.")


def _environment() -> dict[str, str]:
    """Return an environment in which git never prompts and uses no other repository."""
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    return {
        "GIT_ASKPASS": "",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30",
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }


def without_secrets(text: str) -> str:
    """Return a text without the users and passwords in its addresses."""
    return _USER.sub("", text)
