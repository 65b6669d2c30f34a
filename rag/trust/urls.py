"""Addresses that may hold a password or a token: one type for them, and the one place that prints them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from rag.trust.secrets import MASK, looks_random, masked

__all__ = ["DatabaseUrl", "SecretUrl", "checked", "shown", "shown_in"]

# The names of parameters whose values are secrets, in a query, in a path (";jsessionid=") or in a fragment.
_SECRET = re.compile(r"pass|pwd|secret|token|key|sig|auth|cred|sess(?:ion)?_?id|^session$|^sid$", re.I)
# The hosts and the path segments of webhooks. What follows them is a secret: with it, anybody may post to the address.
_HOOK_HOST = re.compile(r"(?:^|\.)(?:web)?hooks?\.", re.I)
_HOOK = re.compile(r"(?:incoming|outgoing)?[-_]?(?:web)?hooks?b?2?", re.I)
# What may follow them and is no secret: words, versions and small numbers, as in the address of a page about webhooks.
_WORDS = re.compile(r"[A-Za-z]?[a-z]{0,15}(?:[-_.][A-Za-z]?[a-z]{0,15})*|v\d+|\d{1,4}")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,20}://)([^\s/?#@<>\"'`]*@)?([^\s<>\"'`]+)")
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
    """Return an address with its secrets masked.

    They are the user and password; the values of parameters with such names in its path, query or fragment; a fragment
    that looks random; and the path of a webhook.

    >>> shown("postgresql://app:s3cret@db:5432/app?sslpassword=x")
    'postgresql://app:********@db:5432/app?sslpassword=********'
    >>> shown("https://t0ken@git.example.org/o/r.git")
    'https://********@git.example.org/o/r.git'
    >>> shown("https://example.org/a;jsessionid=1A2B?page=2#access_token=x")
    'https://example.org/a;jsessionid=********?page=2#access_token=********'
    """
    raw = url[:]
    scheme, separator, rest = raw.partition("://")
    if not separator:
        return masked(raw) if "=" not in raw else MASK
    main, question, query = rest.partition("?")
    user, at, place = main.rpartition("@")
    if not at and "@" in query and not _is_host(main):
        return f"{scheme}://{MASK}"  # an unescaped "?" in a password
    shown_user = _shown_user(scheme, user) if at else ""
    return masked(f"{scheme}{separator}{shown_user}{at}{_shown_place(place + question + query)}")


def shown_in(text: str) -> str:
    """Return a text with the secrets masked that are in it, and those of the addresses in it.

    An address in a text is one that a client could read: a password with an unescaped character is not found.
    """
    if "://" not in text:
        return masked(text)
    return masked(_URL.sub(_shown_match, text))


def _shown_match(match: re.Match[str]) -> str:
    scheme, user, place = match.groups(default="")
    shown_user = f"{_shown_user(scheme[:-3], user[:-1])}@" if user else ""
    return f"{scheme}{shown_user}{_shown_place(place)}"


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


def _shown_place(place: str) -> str:
    """Return what stands behind the user of an address, its secrets masked."""
    before, mark, fragment = place.partition("#")
    path, question, query = before.partition("?")
    return "".join([_shown_path(path), question, _shown_pairs(query, "&"), mark, _shown_fragment(fragment)])


def _shown_path(path: str) -> str:
    host, *parts = path.split("/")
    is_hook = bool(_HOOK_HOST.search(host))
    shown_parts = [host]
    for part in parts:
        name, mark, parameters = part.partition(";")
        shown_name = MASK if is_hook and not _WORDS.fullmatch(name) else name
        shown_parts.append(f"{shown_name}{mark}{_shown_pairs(parameters, ';')}")
        is_hook = is_hook or bool(_HOOK.fullmatch(name))
    return "/".join(shown_parts)


def _shown_fragment(fragment: str) -> str:
    route, question, query = fragment.partition("?")  # the address of a page in a program that runs in the browser
    is_secret = "=" not in route and looks_random(route)
    return f"{MASK if is_secret else _shown_pairs(route, '&')}{question}{_shown_pairs(query, '&')}"


def _shown_pairs(text: str, separator: str) -> str:
    pairs = (pair.partition("=") for pair in text.split(separator))
    return separator.join(
        f"{name}={MASK}" if is_given and _SECRET.search(unquote(name)) else name + is_given + value
        for name, is_given, value in pairs
    )
