"""Run git: with a time limit, without prompts, and with a sentence for each error."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rag.errors import SourceError, SourceUnavailable

__all__ = ["MOST_DISK", "MOST_MEMORY", "environment", "run_git", "split_credentials", "without_secrets"]

_TIMEOUT = 1800
_TRANSIENT = re.compile(
    r"could not resolve host|temporary failure|timed? ?out|connection (?:refused|reset|closed)|early eof|"
    r"network is unreachable|no route to host|couldn't connect|failed to connect|returned error: (?:429|5\d\d)|"
    r"rpc failed|remote end hung up|operation too slow|empty reply from server",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(
    r"out of memory|mmap failed|unable to create thread|died of signal 25|file too large", re.IGNORECASE
)
#: What git may take for what a server sends, in bytes of memory and of one file.
MOST_MEMORY, MOST_DISK = 1_000_000_000, 8_000_000_000
# Git keeps a server's list of references in memory, however long it is. With these settings, the rest of a fetch needs
# a few hundred megabytes, whatever the size of the repository and the number of processors.
_FRUGAL = (
    *("-c", "core.packedGitLimit=256m", "-c", "core.packedGitWindowSize=32m", "-c", "core.bigFileThreshold=32m"),
    *("-c", "core.deltaBaseCacheLimit=32m", "-c", "pack.threads=2"),
)
# The shell sets the limits before git begins; where it does not know one of them, git runs without it.
_LIMITED = ("sh", "-c", f'ulimit -v {MOST_MEMORY // 1024}; ulimit -f {MOST_DISK // 512}; exec git "$@"', "git")
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


def run_git(
    *arguments: str,
    folder: Path,
    shown: str | None = None,
    variables: Mapping[str, str] | None = None,
    is_limited: bool = False,
) -> bytes:
    """Run git and return its output.

    :param shown: the address to name in an error, instead of the folder
    :param is_limited: whether git may take no more than `MOST_MEMORY` and `MOST_DISK`
    :raises SourceError: git fails
    """
    git = (*_LIMITED, *_FRUGAL) if is_limited and shutil.which("sh") else ("git",)
    place = without_secrets(shown) if shown else str(folder)
    with subprocess.Popen(  # noqa: S603 - no shell, and addresses come after --
        [*git, "-C", str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), **(variables or {})},
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
    if is_limited and (_TOO_MUCH.search(" ".join(lines)) or process.returncode == -signal.SIGXFSZ):
        raise SourceError(
            f"The repository {place} is too large: git needs more than {MOST_MEMORY / 1e9:.0f} GB of memory or "
            f"{MOST_DISK / 1e9:.0f} GB of disk to fetch it. Check its url."
        )
    if _TRANSIENT.search(" ".join(lines)):
        raise SourceUnavailable(f"The repository {place} cannot be reached: {message}. Try again later.")
    raise SourceError(f"The repository {place} cannot be read: {message}. Check its url, and that you may read it.")


def environment() -> dict[str, str]:
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


def split_credentials(url: str) -> tuple[str, Mapping[str, str]]:
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


def without_secrets(text: str) -> str:
    """Return a text without the users and passwords in its addresses."""
    return _USER.sub("", text)
