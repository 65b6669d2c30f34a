"""Editions: which versions of which products a search may find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import ConfigurationError
from rag.store.documents import Edition
from rag.text.versions import covers, named, newest, without_version

__all__ = ["Choice", "chosen_editions"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The editions that a question is answered from, and those that it is not."""

    #: the version that is answered for; None: of several products, the newest of each
    version: str | None
    #: whether the question or a filter names it
    is_named: bool
    #: the question without the version that it names
    question: str
    allowed: tuple[str, ...]
    #: the other editions, the newest first
    others: tuple[Edition, ...]


def chosen_editions(known: Sequence[Edition], question: str, wanted: str | None) -> Choice | None:
    """Return the editions that a question is about; None where no document has a version.

    :param known: the editions of the index
    :param wanted: the version of a filter
    :raises ConfigurationError: no document has that version
    """
    if not known and wanted is None:
        return None
    versions = list(dict.fromkeys(one.version for one in known))
    if wanted is not None and not any(covers(wanted, one) for one in versions):
        raise ConfigurationError(f"No document is of version {wanted!r}; there are: {', '.join(versions) or 'none'}.")
    asked = wanted or named(question, versions)
    pages = [one for one in known if one.is_of_pages]
    if asked is not None:
        allowed = [one for one in known if covers(asked, one.version)]
    else:
        newest_of = {
            product: newest(one.version for one in pages if one.product == product)
            for product in dict.fromkeys(one.product for one in pages)
        }
        # A thread is about the version that its author has; what solved it then is worth reading.
        allowed = [one for one in known if not one.is_of_pages or newest_of[one.product] == one.version]
    others = [one for one in known if one not in allowed]
    said = {one.version for one in allowed if one.is_of_pages}
    version = asked or (said.pop() if len(said) == 1 else None)
    bare = without_version(question, versions)
    return Choice(version, asked is not None, bare, tuple(one.key for one in allowed), tuple(_newest_first(others)))


def _newest_first(editions: Sequence[Edition]) -> list[Edition]:
    found: list[Edition] = []
    left = list(editions)
    while left:
        latest = newest(one.version for one in left)
        found += [one for one in left if one.version == latest]
        left = [one for one in left if one.version != latest]
    return found
