"""Addresses that may hold a password or a token: one type for them, and the one place that prints them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from rag.trust.secrets import MASK, masked

__all__ = ["DatabaseUrl", "SecretUrl", "checked", "shown"]

# The names of query parameters whose values are secrets.
_SECRET = re.compile(r"pass|pwd|secret|token|key|sig|auth|cred", re.I)
_HOSTS = re.compile(r"[\w.,\-\[\]:%]*")
# The user of a database is no secret; that of a website may be a token.
_SHOWS_USER = ("postgres", "postgresql", "ssh", "git")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class DatabaseUrl(SecretStr):
    """A connection string; printed, its password is masked, or all of it where it is not a URL."""

    def masked(self) -> str:
        """Return the connection string without its passwords."""
        return shown(self.get_secret_value())

    def _display(self) -> str:
        return self.masked()


class SecretUrl(str):
    """An address that may hold a password or a token.

    A client that connects reads the address itself. Formatted into a text it is masked, so that no message shows the
    secret; `json.dumps` and `+` see the address, and need `shown`.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return shown(self)

    def __repr__(self) -> str:
        return repr(shown(self))

    def __format__(self, spec: str) -> str:
        return format(shown(self), spec)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:  # noqa: ANN401 - pydantic's own
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def shown(url: str) -> str:
    """Return an address with its secrets masked: the user and password, and the values of such query parameters.

    >>> shown("postgresql://app:s3cret@db:5432/app?sslpassword=x")
    'postgresql://app:********@db:5432/app?sslpassword=********'
    >>> shown("https://t0ken@git.example.org/o/r.git")
    'https://********@git.example.org/o/r.git'
    """
    raw = url[:]
    scheme, separator, rest = raw.partition("://")
    if not separator:
        return masked(raw) if "=" not in raw else MASK
    main, question, query = rest.partition("?")
    user, at, place = main.rpartition("@")
    if not at and "@" in query and not _is_host(main):
        return f"{scheme}://{MASK}"  # an unescaped "?" in a password
    parts = [scheme, separator, _shown_user(scheme, user) if at else "", at, place, question, _shown_query(query)]
    return masked("".join(parts))


def checked(url: str) -> str:
    """Return an address whose user and password can be told from the rest.

    :raises ValueError: a character in them must be escaped; the message does not show them
    """
    scheme, separator, rest = url[:].partition("://")
    if not separator:
        return url
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, host = authority.rpartition("@")
    problem = "@" in user or _BAD_ESCAPE.search(user) or ("@" in rest[len(authority) :] and not _is_host(host))
    try:
        urlsplit(url[:]).port  # noqa: B018 - raises if the port is no number, which a part of a password may be
    except ValueError:
        problem = not scheme.startswith("postgres") or not _HOSTS.fullmatch(host)
    if problem:
        raise ValueError("its user or password has a character to escape: write % as %25, @ as %40, / as %2F, # as %23")
    return url


def _is_host(authority: str) -> bool:
    host = authority.partition("/")[0]
    port = host.rpartition(":")[2] if ":" in host else "0"
    return bool(_HOSTS.fullmatch(host)) and (port.isdigit() or host.endswith("]"))


def _shown_user(scheme: str, user: str) -> str:
    name, colon, _ = user.partition(":")
    if scheme.lower().removeprefix("git+") not in _SHOWS_USER or "/" in name:
        return MASK
    return f"{name}:{MASK}" if colon else name


def _shown_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={MASK}" if is_given and _SECRET.search(unquote(name)) else name + is_given + value
                    for name, is_given, value in pairs)  # fmt: skip
