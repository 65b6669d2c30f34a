"""The message of a sync that would remove more documents than it may."""

from __future__ import annotations

from rag.sources import Failed

__all__ = ["refused_removals"]


def refused_removals(source: str, url: str, finding: str, *, limit: float) -> Failed:
    """Return the failure to report instead of the removals.

    :param source: the name of the source
    :param url: the address of the source
    :param finding: how many documents are missing, as a sentence without its full stop
    :param limit: the share of a source's documents that one sync may remove, 0 to 1
    """
    return Failed(
        url,
        f"{finding}. That is more than {limit:.0%}, so none was removed. If they are really gone, run: "
        f"python -m flows.ingest {source} --full --accept-removals",
    )
