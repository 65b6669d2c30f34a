"""A scripted site, and a crawl whose changes are committed as ingestion does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from rag.settings import DocsConfig
from rag.sources import MOST_REMOVED, Change, Changed, Checkpoint, Failed, Noticed, Removed, Unchanged
from rag.sources.docs import DocsSource, Limits
from rag.store.store import Store
from tests.integration.sources.commits import commit
from tests.servers.docs_site import DocsSite

#: Limits without pauses; the time-outs are far longer than a reply takes on a busy machine.
FAST = Limits(backoff=0.01, timeout=30.0, deadline=60.0, attempts=3)


@dataclass
class Outcome:
    """The changes of one crawl, by path on the site."""

    changed: dict[str, Changed] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    noticed: list[str] = field(default_factory=list)
    checkpoints: int = 0
    requests: int = 0
    changes: list[Change] = field(default_factory=list)

    def text(self, path: str) -> str:
        return self.changed[path].document.text


Crawl = Callable[..., Outcome]


@pytest.fixture
def site() -> Iterator[DocsSite]:
    with DocsSite() as site:
        yield site


@pytest.fixture
def crawl(site: DocsSite, store: Store) -> Crawl:
    """Crawl the site from /docs/index.html and commit the changes; keyword arguments are those of DocsConfig."""

    def run(
        *,
        full: bool = False,
        start: str = "/docs/index.html",
        limits: Limits = FAST,
        most_removed: float = MOST_REMOVED,
        **config: object,
    ) -> Outcome:
        settings = {"name": "site", "url": site.url(start), **config}
        source = DocsSource(DocsConfig(**settings), store, limits=limits, most_removed=most_removed)  # type: ignore[arg-type]
        store.sources.register("site", "docs")
        outcome = Outcome()
        prefix = f"site:{site.url('')}"
        try:
            for change in source.changes(full=full):
                outcome.changes.append(change)
                commit(store, change)
                match change:
                    case Changed(document, _):
                        outcome.changed[document.id_.removeprefix(prefix)] = change
                    case Unchanged(document_id, _):
                        outcome.unchanged.append(document_id.removeprefix(prefix))
                    case Removed(document_id, _):
                        outcome.removed.append(document_id.removeprefix(prefix))
                    case Failed(url, error, _):
                        outcome.failed[url.removeprefix(site.url(""))] = error
                    case Noticed(message):
                        outcome.noticed.append(message)
                    case Checkpoint():
                        outcome.checkpoints += 1
        finally:
            outcome.requests = source.requests
        return outcome

    return run
