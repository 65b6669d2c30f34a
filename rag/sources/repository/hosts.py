"""The permalinks of files on GitHub, GitLab, Bitbucket and Gitea."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from rag.sources.markup.anchors import Slug, bitbucket, gitea, github, gitlab

__all__ = ["Host", "host_of", "web_address"]

_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+):(?!//|:)(.+)$")
# Hosts that serve ssh on the https port.
_SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


@dataclass(frozen=True, slots=True)
class Host:
    """The permalinks of a repository's host, as format strings with {web}, {commit} and {path}."""

    file: str
    folder: str
    image: str
    slug: Slug
    #: the web address of the repository
    web: str

    def link_file(self, path: str | bytes, commit: str) -> str:
        """Return the address that shows a file."""
        return self.file.format(web=self.web, commit=commit, path=quote(path))

    def link_folder(self, path: str | bytes, commit: str) -> str:
        """Return the address that lists a folder; the path of the top folder is empty."""
        return self.folder.format(web=self.web, commit=commit, path=quote(path)).rstrip("/")

    def link_image(self, path: str | bytes, commit: str) -> str:
        """Return the address that serves the content of a file."""
        return self.image.format(web=self.web, commit=commit, path=quote(path))


def host_of(web: str) -> Host:
    """Return the host of a repository; an unknown host is treated like GitHub.

    :param web: the repository's web address, from `web_address`
    """
    name = urlsplit(web).hostname or ""
    if "gitlab" in name:
        return _host("{web}/-/blob/{commit}/{path}", gitlab, web, raw="{web}/-/raw/", tree="{web}/-/tree/")
    if name == "bitbucket.org":
        return _host("{web}/src/{commit}/{path}", bitbucket, web, raw="{web}/raw/", tree="{web}/src/")
    if "bitbucket" in name or "stash" in name:
        return _data_center(web)
    if name == "codeberg.org" or "gitea" in name or "forgejo" in name:
        tree = "{web}/src/commit/"
        return _host("{web}/src/commit/{commit}/{path}", gitea, web, raw="{web}/raw/commit/", tree=tree)
    return _host("{web}/blob/{commit}/{path}", github, web, raw="{web}/raw/", tree="{web}/tree/")


def _host(file: str, slug: Slug, web: str, *, raw: str, tree: str) -> Host:
    return Host(file, f"{tree}{{commit}}/{{path}}", f"{raw}{{commit}}/{{path}}", slug, web)


def _data_center(web: str) -> Host:
    """Return the host for Bitbucket Data Center, which clones /scm/KEY/name and shows /projects/KEY/repos/name."""
    parts = urlsplit(web)
    key, _, name = parts.path.strip("/").removeprefix("scm/").rpartition("/")
    owner = f"users/{key[1:]}" if key.startswith("~") else f"projects/{key}"
    at = "{path}?at={commit}"
    shown = f"{parts.scheme}://{parts.netloc}/{owner}/repos/{name}"
    return Host(f"{{web}}/browse/{at}", f"{{web}}/browse/{at}", f"{{web}}/raw/{at}", _no_anchor, shown)


def _no_anchor(_text: str) -> str:
    return ""


def web_address(url: str) -> str | None:
    """Return the web address of a repository, None if it has none.

    It is https://github.com/owner/name for git@github.com:owner/name.git and https://token@github.com/owner/name.git.
    """
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:  # a bracket that is not closed
            return None
        if parts.scheme not in ("http", "https", "ssh", "git") or not parts.hostname:
            return None
        scheme = "http" if parts.scheme == "http" else "https"
        port = _port(parts.netloc) if parts.scheme in ("http", "https") else ""
        host, path = f"{_SSH_HOSTS.get(parts.hostname, parts.hostname)}{port}", parts.path
    else:
        match = _SCP.match(url)
        if not match:
            return None
        scheme, host, path = "https", _SSH_HOSTS.get(match[1], match[1]), match[2]
    return f"{scheme}://{host}/{path.strip('/').removesuffix('.git').rstrip('/')}"


def _port(netloc: str) -> str:
    """Return the port of an address with its colon, or nothing where there is none that git could connect to."""
    port = netloc.rpartition("@")[2].rpartition(":")[2]
    return f":{port}" if port.isascii() and port.isdigit() else ""
