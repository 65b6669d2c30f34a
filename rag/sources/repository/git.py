"""The little of git that is needed: bring a commit here, list its files, read blobs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from rag.errors import ConfigurationError, SourceError, SourceUnavailable

__all__ = ["Blob", "Clone", "open_clone", "web_address"]

_TIMEOUT = 1800
_HEAD = "refs/heads/rag"
_TRANSIENT = re.compile(
    r"could not resolve host|temporary failure|timed? ?out|connection (?:refused|reset|closed)|early eof|"
    r"network is unreachable|no route to host|couldn't connect|failed to connect|returned error: (?:429|5\d\d)|"
    r"rpc failed|remote end hung up|operation too slow",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"\.lock'?: File exists|not a git repository|corrupt|bad object|unable to read|missing blob", re.IGNORECASE
)
_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)$")


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit; `size` is in bytes."""

    path: str
    sha: str
    size: int


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository on this machine, at one commit.

    :param web: the address that its files can be opened under, such as https://github.com/owner/name, if there is one
    :param local: the folder of its files, for a repository that was not cloned
    """

    folder: Path
    commit: str
    web: str | None
    local: Path | None = None

    def blobs(self) -> Iterator[Blob]:
        """Yield every file of the commit; links and submodules are left out."""
        listing = _git("ls-tree", "-r", "-l", "-z", "--full-tree", self.commit, folder=self.folder)
        for entry in listing.split(b"\0"):
            if not entry:
                continue
            about, _, path = entry.partition(b"\t")
            mode, kind, sha, size = about.split()
            if kind == b"blob" and mode != b"120000":
                yield Blob(path.decode("utf-8", "replace"), sha.decode(), int(size))

    def read(self, blobs: Iterable[Blob]) -> Iterator[tuple[Blob, bytes]]:
        """Yield the content of blobs, one at a time, from one process."""
        command = ["git", "-C", str(self.folder), "cat-file", "--batch"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process:  # noqa: S603
            if process.stdin is None or process.stdout is None:
                raise AssertionError("pipes were asked for")
            try:
                for blob in blobs:
                    process.stdin.write(f"{blob.sha}\n".encode())
                    process.stdin.flush()
                    header = process.stdout.readline().split()
                    if len(header) != 3:
                        raise SourceError(f"{blob.path} is missing from the repository in {self.folder}.")
                    content = process.stdout.read(int(header[2]))
                    process.stdout.read(1)
                    yield blob, content
            finally:
                process.stdin.close()
                process.wait(timeout=10)

    def permalink(self, path: str, commit: str) -> str:
        """Return where a file can be opened, as it was at a commit."""
        if self.web is None:
            return ((self.local or self.folder) / path).as_uri()
        host = urlsplit(self.web).hostname or ""
        name = quote(path)
        if "gitlab" in host:
            return f"{self.web}/-/blob/{commit}/{name}"
        if host == "bitbucket.org":
            return f"{self.web}/src/{commit}/{name}"
        if host in ("codeberg.org", "gitea.com"):
            return f"{self.web}/src/commit/{commit}/{name}"
        return f"{self.web}/blob/{commit}/{name}"


def open_clone(url: str, cache: Path) -> Clone:
    """Bring the newest commit of a repository here, and nothing of its history.

    :param url: what `git clone` takes, or a path to a local clone, which is read where it is
    :param cache: where the clone is kept
    :raises ConfigurationError: git is not installed
    :raises SourceUnavailable: the repository cannot be reached now
    :raises SourceError: there is no such repository, or it is empty or refused
    """
    if shutil.which("git") is None:
        raise ConfigurationError(f"git is not installed; install it to read the repository {_shown(url)}.")
    local = Path(url).expanduser()
    if "://" not in url and local.is_dir():
        return _open_local(local.absolute())
    if "://" not in url and not _SCP.match(url):
        raise SourceError(f"There is no folder {local.absolute()}, and {url} is no address of a repository. Check url.")
    try:
        _fetch(url, cache)
    except SourceError as error:
        if not _BROKEN.search(str(error)):
            raise
        # An interrupted run left it half made; it holds nothing that cannot be fetched again.
        shutil.rmtree(cache, ignore_errors=True)
        _fetch(url, cache)
    return Clone(cache, _commit(cache, _HEAD), web_address(url))


def _open_local(folder: Path) -> Clone:
    top = Path(_git("rev-parse", "--show-cdup", folder=folder).decode().strip() or ".")
    root = (folder / top).resolve()
    commit = _commit(folder, "HEAD")
    try:
        origin = _git("config", "--get", "remote.origin.url", folder=folder).decode().strip()
        pushed = bool(_git("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes", folder=folder).strip())
    except SourceError:
        return Clone(folder, commit, None, root)
    return Clone(folder, commit, web_address(origin) if pushed else None, root)


def _fetch(url: str, cache: Path) -> None:
    if not (cache / "HEAD").exists():
        cache.mkdir(parents=True, exist_ok=True)
        _git("init", "--quiet", "--bare", folder=cache)
    _git(
        *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"),
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--force", "--no-recurse-submodules"),
        *("--", url, f"+HEAD:{_HEAD}"),
        folder=cache,
        shown=url,
    )


def _commit(folder: Path, name: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", folder=folder).decode().strip()
    except SourceError as error:
        raise SourceError(f"The repository {folder} has no commit yet.") from error


def _git(*arguments: str, folder: Path, shown: str | None = None) -> bytes:
    """Run git and return what it prints.

    :param shown: the address to name in an error, instead of the folder
    :raises SourceError: git fails
    """
    command = ["git", "-C", str(folder), *arguments]
    place = _shown(shown) if shown else str(folder)
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and addresses come after --
            command, capture_output=True, check=False, timeout=_TIMEOUT, env=_environment(), stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable(
            f"git did not finish with {place} in {_TIMEOUT // 60} minutes; try again later."
        ) from error
    if done.returncode == 0:
        return done.stdout
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no message")
    said = _shown(said.partition(": ")[2] if said.startswith(("fatal:", "error:")) else said).rstrip(".")
    if _TRANSIENT.search(" ".join(lines)):
        raise SourceUnavailable(f"The repository {place} cannot be reached: {said}. Try again later.")
    raise SourceError(f"The repository {place} cannot be read: {said}. Check its url, and that you may read it.")


def _environment() -> dict[str, str]:
    """Return an environment in which git asks nobody anything and knows of no other repository."""
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_SSH_COMMAND": kept.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


_REPOSITORY_VARIABLES = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"})


def _shown(text: str) -> str:
    """Leave passwords out of what is shown."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def web_address(url: str) -> str | None:
    """Return the address that a repository's files are shown under, or None for one that has no host.

    git@github.com:owner/name.git and https://token@github.com/owner/name.git both give https://github.com/owner/name.
    """
    if "://" in url:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "ssh", "git") or not parts.hostname:
            return None
        scheme = parts.scheme if parts.scheme == "http" else "https"
        port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        host, path = f"{parts.hostname}{port}", parts.path
    else:
        match = _SCP.match(url)
        if not match:
            return None
        scheme, host, path = "https", match[1], match[2]
    return f"{scheme}://{host}/{path.strip('/').removesuffix('.git').rstrip('/')}"
