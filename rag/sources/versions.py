"""The version of a page or a file, as its source's setting gives it."""

from __future__ import annotations

from rag.text.versions import placed

__all__ = ["version_metadata"]


def version_metadata(setting: str | None, url: str, source: str) -> dict[str, object]:
    """Return what the metadata of a document says of its version; empty if it has none.

    :param setting: the `version` of its source: a version, or a URL pattern with `{version}`
    """
    found = placed(setting, url, source)
    return {"versions": [found.version], "product": found.product} if found else {}
