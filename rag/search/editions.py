"""Editions: which versions of which products a search may find."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import ConfigurationError
from rag.store.documents import Edition
from rag.text.versions import covers, newest, plain

__all__ = ["Choice", "chosen_editions"]

# Words of the URLs of documentation that do not name a product.
_NO_NAME = re.compile(r"https?|www|docs?|org|com|net|dev|html?|the|readthedocs|github|gitlab|latest|stable")


@dataclass(frozen=True, slots=True)
class Choice:
    """The editions that a question is answered from, and those that it is not."""

    #: the version that is answered for; None: of several products, the newest of each
    version: str | None
    #: whether the question, one before it or a filter names it
    is_named: bool
    #: the question without the versions that it names
    question: str
    allowed: tuple[str, ...]
    #: the other editions, the newest first
    others: tuple[Edition, ...]
    #: those of the others whose differences are shown: all if no version is named, or else those that are named as well
    compared: tuple[Edition, ...]


def chosen_editions(
    known: Sequence[Edition], question: str, wanted: str | None, before: Sequence[str] = ()
) -> Choice | None:
    """Return the editions that a question is about; None where no document has a version.

    :param known: the editions of the index
    :param wanted: the version of a filter
    :param before: earlier questions of the conversation, whose version a follow-up keeps
    :raises ConfigurationError: no document has that version
    """
    if not known and wanted is None:
        return None
    # Its patterns take as long to compile as a search takes; most indexes have no versions.
    from rag.text.named_versions import named_versions, without_versions

    versions = list(dict.fromkeys(one.version for one in known))
    if wanted is not None and not any(covers(wanted, one) for one in versions):
        raise ConfigurationError(f"No document has version {wanted!r}; there are: {', '.join(versions) or 'none'}.")
    names = _names(known)
    named = named_versions(question, versions, names)
    earlier = (named_versions(one, versions, names) for one in reversed(before))
    in_turn = named or next(filter(None, earlier), [])
    asked = [plain(wanted)] if wanted else [one.version for one in in_turn]
    allowed = _of(known, asked) if asked else _newest(known)
    others = _newest_first([one for one in known if one not in allowed])
    said = {one.version for one in allowed if one.is_of_pages} or set(asked[:1])
    return Choice(
        said.pop() if len(said) == 1 else None,
        bool(asked),
        without_versions(question, named),
        tuple(one.key for one in allowed),
        tuple(others),
        tuple(one for one in others if not asked or _is_named_beside(one, asked)),
    )


def _is_named_beside(edition: Edition, asked: Sequence[str]) -> bool:
    return len(asked) > 1 and any(covers(version, edition.version) for version in asked)


def _names(known: Sequence[Edition]) -> list[str]:
    """Return the words of addresses and sources that may be the names of products."""
    words = {word for one in known for word in re.findall(r"[a-z]{3,}", _place(one).lower())}
    return [word for word in words if not _NO_NAME.fullmatch(word)]


def _place(edition: Edition) -> str:
    """Return where the name of a product may stand: its address, or that of its repository, and its source."""
    example = edition.example or ""
    place = example.partition(" ")[0] if "://" in edition.product else "/".join(example.split("/")[:5])
    return f"{edition.product} {place}"


def _of(known: Sequence[Edition], asked: Sequence[str]) -> list[Edition]:
    """Return the editions of versions that are asked for: of pages one of each product, the newest."""
    found = [one for one in known if any(covers(version, one.version) for version in asked)]
    exact = [one for one in found if plain(one.version) in asked]
    pages = _newest([*exact, *(one for one in found if one.product not in {other.product for other in exact})])
    return [one for one in known if one in pages or (one in found and not one.is_of_pages)]


def _newest(known: Sequence[Edition]) -> list[Edition]:
    """Return the newest edition of each product's pages, and all threads.

    A thread is about the version that its author has; what solved it then is worth reading.
    """
    pages = [one for one in known if one.is_of_pages]
    newest_of = {
        product: newest(one.version for one in pages if one.product == product)
        for product in dict.fromkeys(one.product for one in pages)
    }
    return [one for one in known if not one.is_of_pages or newest_of[one.product] == one.version]


def _newest_first(editions: Sequence[Edition]) -> list[Edition]:
    found: list[Edition] = []
    left = list(editions)
    while left:
        latest = newest(one.version for one in left)
        found += [one for one in left if one.version == latest]
        left = [one for one in left if one.version != latest]
    return found
