"""What a sync remembers of each page or file it has read, so that the next one fetches only what changed."""

from __future__ import annotations

from dataclasses import dataclass

from rag.store.statements import Reads, Writes

__all__ = ["Resource", "ResourceWrites", "Resources"]


@dataclass(frozen=True, slots=True)
class Resource:
    """A page of a site or a file of a repository, as the last sync saw it."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    links: tuple[str, ...] = ()
    document_id: str | None = None
    #: the lastmod of its sitemap entry when it was last read
    lastmod: str | None = None
    #: hashes of the blocks of text at the edges of the page
    edges: tuple[int, ...] = ()
    #: those of them that its document lacks, because many pages of the site have them
    cut: tuple[int, ...] = ()


class Resources(Reads):
    """The pages and files that the last syncs have seen."""

    def known(self, source: str) -> dict[str, Resource]:
        """Return the pages and files of a source, by URL or path."""
        rows = self._rows("resources", {"source": source})
        return {
            row[0]: Resource(row[0], row[1], row[2], tuple(row[3]), row[4], row[5], tuple(row[6]), tuple(row[7]))
            for row in rows
        }


class ResourceWrites(Writes):
    """The pages and files, inside a transaction."""

    def put(self, source: str, resource: Resource) -> None:
        """Remember a page or file."""
        self._run(
            "put_resource",
            {
                "source": source,
                "url": resource.url,
                "etag": resource.etag,
                "last_modified": resource.last_modified,
                "links": list(resource.links),
                "document_id": resource.document_id,
                "lastmod": resource.lastmod,
                "edges": list(resource.edges),
                "cut": list(resource.cut),
            },
        )

    def delete(self, source: str, url: str) -> None:
        """Forget a page or file."""
        self._run("delete_resource", {"source": source, "url": url})
