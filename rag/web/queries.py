"""What a query string asks: the question and its filters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from rag.errors import ConfigurationError
from rag.store.filters import Filters

__all__ = ["filters_of"]


def filters_of(given: Mapping[str, str]) -> Filters:
    """Return the filters of a query string; an empty value does not filter.

    :raises ConfigurationError: a date is not one
    """
    source, kind, label, state = (given.get(name, "").strip() or None for name in ("source", "kind", "label", "state"))
    version = given.get("version", "").strip() or None
    return Filters(source, kind, label, state, _date(given, "since"), _date(given, "until"), version)


def _date(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{name} must be a date (YYYY-MM-DD).") from None
