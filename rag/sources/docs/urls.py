"""Addresses: one spelling for each page, and the scope of a source."""

from __future__ import annotations

import posixpath
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote_plus, urljoin, urlsplit, urlunsplit

from wcmatch import glob

__all__ = ["Scope", "file_suffix", "is_media", "normalise", "resolved", "twins"]

_MAX_LENGTH = 2048
_MAX_SLASHES = 32
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Parameters that identify a visitor or a campaign, never the page.
_TRACKING = re.compile(
    r"^(utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|_ga|_gl|ref_src|phpsessid|jsessionid)$", re.IGNORECASE
)
# Parameters that identify a visitor if their value is a random token; otherwise they name a section.
_SESSION = re.compile(r"^(sid|session|session_?id)$", re.IGNORECASE)
_TOKEN = re.compile(r"^(?=[^0-9]*[0-9])[A-Za-z0-9_-]{16,}$")
_SESSION_PATH = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
# The same folder four times in a row comes from a relative link that leads to its own page.
_LOOPING = re.compile(r"(/[^/]+(?:/[^/]+)?)\1{3,}(?=/|$)")
# Pictures, sound, fonts and printed books: no page of text has such an address.
_MEDIA = re.compile(
    r"\.(?:png|jpe?g|gif|svgz?|webp|avif|ico|bmp|tiff?|mp3|mp4|webm|ogg|wav|avi|mov|pdf|epub|mobi|woff2?|ttf|eot|otf)$",
    re.IGNORECASE,
)
# Files, unless a page is named like one: a module system.xml, a package nats.go, a tool next.js.
_FILE_SUFFIX = re.compile(
    r"\.(css|m?js|[cm]?ts|jsx|tsx|map|jsonl?|ya?ml|toml|ini|cfg|conf|xml|rss|atom|csv|tsv|ipynb|py|pyi|c|cc|cpp|cs|h|hpp|rs|"
    r"go|java|kt|swift|rb|php|pl|lua|r|sh|bat|ps1|sql|txt|rst|log|patch|diff|asc|sig|inv|wasm|xsd|dtd|ps|eps|zip|gz|bz2|xz|"
    r"zst|7z|rar|tar|tgz|whl|jar|war|bin|dll|so|exe|msi|deb|rpm|dmg|iso|docx?|xlsx?|pptx?|odt)$",
    re.IGNORECASE,
)
_GLOB_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_INDEX = re.compile(r"(?<=/)index\.html?$")
_SUFFIX = re.compile(r"\.html?$")


@lru_cache(maxsize=65_536)
def normalise(url: str, base: str = "") -> str | None:
    """Return the canonical spelling of an absolute HTTP address, None for anything else.

    The fragment and the tracking and session parameters are dropped, the host is in lower case, only characters that
    need it are percent-encoded, dot segments are resolved and parameters sorted.

    :param url: as it is written in a link
    :param base: the address that a relative link is resolved against
    """
    url = url.strip().replace("\\", "/")
    try:
        parts = urlsplit(urljoin(base, url) if base else url)
        scheme, port = parts.scheme.lower(), parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode() if parts.hostname else ""
    except (ValueError, UnicodeError):
        return None
    if scheme not in _DEFAULT_PORTS or not host:
        return None
    netloc = f"[{host}]" if ":" in host else host
    if port and port != _DEFAULT_PORTS[scheme]:
        netloc = f"{netloc}:{port}"
    clean = urlunsplit((scheme, netloc, _path(parts.path), _query(parts.query), ""))
    return clean if len(clean) <= _MAX_LENGTH else None


def resolved(href: str, base: str) -> str | None:
    """Return a link as an absolute HTTP address, else as it is written; None if it cannot be one, such as ``http://[``."""
    try:
        url = urljoin(base, href.strip())
        parts = urlsplit(url)
        is_valid = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return url if is_valid else None


def _path(path: str) -> str:
    path = _SESSION_PATH.sub("", path) or "/"
    path = _spelled(path).replace("?", "%3F")
    if "//" in path or "/." in path:
        slash = path.endswith(("/", "/.", "/.."))
        path = "/" + posixpath.normpath(path).lstrip("/")
        path += "/" if slash and path != "/" else ""
    return path


def _plain(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[1], 16))
    return character if character in _UNRESERVED else encoded[0].upper()


def _query(query: str) -> str:
    """Return the parameters in the order of their names, without those of visitors; ``?faq`` stays ``?faq``."""
    kept = (_spelled(part) for part in query.split("&") if part and not _identifies_a_visitor(part))
    return "&".join(sorted(kept, key=lambda part: part.partition("=")))


def _spelled(part: str) -> str:
    """Return a part of an address, with nothing but what must be percent-encoded, and what its author did encode."""
    part = quote(_ENCODED.sub(_plain, part), safe="/~!$&'()*+,;=:@-._%?")
    return re.sub(r"%(?![0-9A-F]{2})", "%25", part)


def _identifies_a_visitor(part: str) -> bool:
    name, _, value = map(unquote_plus, part.partition("="))
    return bool(_TRACKING.match(name)) or bool(_SESSION.match(name) and _TOKEN.match(value))


def is_media(path: str) -> bool:
    """Return whether an address without its parameters is a picture, a film, a font or a printed book by its name."""
    return bool(_MEDIA.search(path))


def file_suffix(path: str) -> str:
    """Return the suffix of an address without its parameters that is named like a file, empty for other addresses."""
    match = _FILE_SUFFIX.search(path)
    return match[1].lower() if match else ""


def twins(url: str) -> tuple[str, ...]:
    """Return the other addresses at which servers usually serve the same page.

    `…/a/` and `…/a/index.html`; `…/a`, `…/a/` and `…/a.html`; `…?q=(a)` and `…?q=%28a%29`.
    """
    if "?" in url:
        return _other_spellings(url)
    if _INDEX.search(url):
        return (_INDEX.sub("", url),)
    if url.endswith("/"):
        return (f"{url}index.html", f"{url}index.htm", url[:-1], f"{url[:-1]}.html")
    if _SUFFIX.search(url):
        stem = _SUFFIX.sub("", url)
        return (stem, f"{stem}/")
    return (f"{url}/", f"{url}.html")


def _other_spellings(url: str) -> tuple[str, ...]:
    """Return an address with as much and with as little of its parameters percent-encoded as there may be."""
    path, _, query = url.partition("?")
    pairs = [part.partition("=") for part in query.split("&")]
    spelled = (
        "&".join(
            f"{quote(unquote_plus(name), safe)}{equals}{quote(unquote_plus(value), safe)}"
            for name, equals, value in pairs
        )
        for safe in ("", "/:;@!$'()*,?")
    )
    return tuple(other for query in spelled if (other := f"{path}?{query}") != url)


@dataclass(frozen=True)
class Scope:
    """The pages of a source: those under the folder of its start address that the globs select.

    :param start: the normalised start address; its folder is its path up to the last slash
    :param include: globs relative to the folder; a page must match one of them
    :param exclude: globs of pages to leave out
    """

    start: str
    include: Sequence[str] = ("**",)
    exclude: Sequence[str] = ()
    folder: str = field(init=False)
    _prefix: str = field(init=False)
    _include: tuple[glob.WcMatcher[str], ...] | None = field(init=False)
    _exclude: tuple[glob.WcMatcher[str], ...] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.start)
        folder = parts.path[: parts.path.rfind("/") + 1]
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "_prefix", urlunsplit((parts.scheme, parts.netloc, folder, "", "")))
        everything = tuple(self.include) == ("**",)
        object.__setattr__(self, "_include", None if everything else _compiled(self.include))
        object.__setattr__(self, "_exclude", _compiled(self.exclude))

    @property
    def host(self) -> str:
        """The host of the start address, without a port."""
        return urlsplit(self.start).hostname or ""

    def link(self, href: str, base: str) -> str | None:
        """Return the address that a link leads to if it is under the folder, else None.

        http and https are the same here: the address gets the scheme of the start address.
        """
        if href.startswith(("#", "mailto:", "javascript:", "data:", "tel:")):
            return None
        url = normalise(href, base)
        return self.place(url) if url else None

    def place(self, url: str) -> str | None:
        """Return a normalised address with the scheme of the start address if it is under the folder, else None."""
        if url.startswith(self._prefix):
            return url
        scheme, _, rest = self._prefix.partition("://")
        other = "http" if scheme == "https" else "https"
        if url.startswith(f"{other}://{rest}"):
            return f"{scheme}{url[len(other) :]}"
        return None

    def wants(self, url: str) -> bool:
        """Return whether the globs select a page under the folder."""
        if self._include is None and not self._exclude:
            return not _is_trap(url)
        below = urlsplit(url[len(self._prefix) :]).path
        names = (below,) if below and not below.endswith("/") else (below.rstrip("/") or ".", f"{below}index.html")
        if self._include is not None and not _any(self._include, names):
            return False
        return not _any(self._exclude, names) and not _is_trap(url)


def _compiled(patterns: Sequence[str]) -> tuple[glob.WcMatcher[str], ...]:
    # By "*/x.html" people mean x.html in any folder, the start folder included.
    more = [pattern[2:] for pattern in patterns if pattern.startswith("*/")]
    return tuple(glob.compile(pattern.lstrip("/"), flags=_GLOB_FLAGS) for pattern in (*patterns, *more))


def _any(patterns: Sequence[glob.WcMatcher[str]], names: Sequence[str]) -> bool:
    return any(pattern.match(name) for pattern in patterns for name in names)


def _is_trap(url: str) -> bool:
    return url.count("/") > _MAX_SLASHES or bool(_LOOPING.search(url))
