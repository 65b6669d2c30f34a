"""Commit the changes of a source as ingestion does, without chunks."""

from __future__ import annotations

from rag.sources import Change, Changed, Failed, Noticed, Removed
from rag.store.documents import DocumentRow
from rag.store.store import Store


def commit(store: Store, change: Change) -> None:
    """Write the document of a change and what the source records with it, in one transaction."""
    with store.transaction() as transaction:
        if isinstance(change, Changed):
            document, metadata = change.document, change.document.metadata
            transaction.documents.put(
                [
                    DocumentRow(
                        id=document.id_,
                        source=metadata["source"],
                        kind=metadata["kind"],
                        url=metadata["url"],
                        title=metadata["title"],
                        text=document.text,
                        metadata=metadata,
                        hash=document.hash,
                    )
                ]
            )
        elif isinstance(change, Removed):
            transaction.documents.delete([change.document_id])
        if not isinstance(change, Failed | Noticed) and change.record:
            change.record(transaction)
