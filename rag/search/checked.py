"""Filters that can find something: each names a kind, a state, a source or a label that there is."""

from __future__ import annotations

from rag.errors import ConfigurationError
from rag.store.filters import KINDS, STATES, Filters
from rag.store.store import Store

__all__ = ["check_filters"]

# The labels that an error lists.
_MOST_LABELS = 20


def check_filters(filters: Filters, store: Store) -> None:
    """Refuse filters that match nothing, which would look like a question that is not answered.

    :raises ConfigurationError: a filter is wrong; the sentence lists what there is
    """
    for name, value, known in (("kind", filters.kind, KINDS), ("state", filters.state, STATES)):
        if value is not None and value not in known:
            raise ConfigurationError(f"unknown {name} {value!r}; choose from {', '.join(known)}.")
    if filters.since and filters.until and filters.since > filters.until:
        raise ConfigurationError(f"since ({filters.since}) must not be after until ({filters.until}).")
    if filters.source is not None and not store.sources.exists(filters.source):
        names = ", ".join(status.name for status in store.sources.status())
        raise ConfigurationError(
            f"No source called {filters.source!r} has been ingested; there are: {names or 'none'}."
        )
    if filters.label is not None:
        _check_label(filters.label, filters.source, store)


def _check_label(label: str, source: str | None, store: Store) -> None:
    labels = store.documents.labels(source)
    if label.casefold() not in {known.casefold() for known in labels}:
        known = ", ".join(labels[:_MOST_LABELS]) + (", …" if len(labels) > _MOST_LABELS else "")
        where = f" in {source}" if source else ""
        raise ConfigurationError(f"No thread{where} has the label {label!r}; there are: {known or 'none'}.")
