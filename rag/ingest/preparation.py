"""Preparation: documents are cut and embedded together; one that fails is set apart, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, Document, MetadataMode, TransformComponent
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from rag.embedding.cache import CachedEncoder
from rag.embedding.llamaindex import EncoderEmbedding
from rag.errors import EmbeddingError, Unstorable
from rag.ingest.batches import Work
from rag.store.chunks import ChunkRow
from rag.store.postgres.encoding import is_storable, storable
from rag.text.lines import one_line
from rag.trust.secrets import masked

__all__ = ["Preparation", "chunk_row", "make_storable"]

log = logging.getLogger(__name__)

# A text that every model embeds: if this one fails, no document is at fault.
_PLAIN_WORD = "word"
# The texts of one call of the encoder: LlamaIndex's limit. The encoder makes its own batches.
_MOST_AT_ONCE = 2048


class Preparation:
    """Cuts documents into chunks and embeds these.

    :param chunker: a LlamaIndex node parser whose nodes carry `url` and `heading` in their metadata
    """

    def __init__(self, chunker: TransformComponent, encoder: CachedEncoder) -> None:
        self._encoder = encoder
        # Its own cache hashes whole batches and its docstore commits apart from the vectors, so neither is used.
        self._cutting = IngestionPipeline(transformations=[chunker], disable_cache=True)
        embedding = EncoderEmbedding(encoder, embed_batch_size=_MOST_AT_ONCE)
        self._embedding = IngestionPipeline(transformations=[embedding], disable_cache=True)

    def refused(self, documents: Iterable[Document]) -> dict[str, str]:
        """Make documents storable; return why some cannot be made so, by document id."""
        reasons = {}
        for document in documents:
            try:
                make_storable(document)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported as this document's failure
                reasons[document.id_] = _reason(error)
        return reasons

    def cut(self, work: Work, documents: Sequence[Document]) -> None:
        """Add the nodes of documents to `work`, and those that cannot be cut to its refused ones."""
        work.chunks |= {document.id_: [] for document in documents}
        try:
            work.nodes += self._nodes(documents)
        except Exception as error:  # noqa: BLE001 - the document at fault is found below, and reported
            log.info("cutting documents one by one: %s", _reason(error))
            for document in documents:
                self._cut_one(work, document)

    def _cut_one(self, work: Work, document: Document) -> None:
        try:
            work.nodes += self._nodes([document])
        except Exception as error:  # noqa: BLE001 - reported as this document's failure
            work.refused[document.id_] = f"It cannot be cut into chunks: {_reason(error)}"

    def _nodes(self, documents: Sequence[Document]) -> list[BaseNode]:
        return list(self._cutting.run(documents=list(documents), in_place=False)) if documents else []

    def embed(self, work: Work) -> None:
        """Embed the nodes of `work`; add the documents whose text the model does not embed to its refused ones.

        :raises EmbeddingError: the model embeds nothing now
        """
        nodes: dict[str, list[BaseNode]] = {}
        for node in work.nodes:
            nodes.setdefault(node.ref_doc_id or "", []).append(node)
        work.nodes = []
        try:
            work.chunks |= self._rows(work, nodes)
        except EmbeddingError as error:
            self._require_model(error)
            self._embed_apart(work, nodes)

    def _require_model(self, error: Exception) -> None:
        """Raise the error again if the model does not even embed a plain word: then no document is at fault."""
        try:
            self._encoder.encode_queries([_PLAIN_WORD])
        except EmbeddingError:
            raise error from None

    def _embed_apart(self, work: Work, nodes: Mapping[str, Sequence[BaseNode]]) -> None:
        """Embed documents in halves, until the one that fails is alone."""
        names = list(nodes)
        half = len(names) // 2 or 1
        for part in (names[:half], names[half:]):
            try:
                work.chunks |= self._rows(work, {name: nodes[name] for name in part})
            except EmbeddingError as error:
                if len(part) > 1:
                    self._embed_apart(work, {name: nodes[name] for name in part})
                else:
                    work.refused[part[0]] = _reason(error)

    def _rows(self, work: Work, nodes: Mapping[str, Sequence[BaseNode]]) -> dict[str, list[ChunkRow]]:
        """Return the rows of documents; a document of which a part has no vector is refused."""
        rows: dict[str, list[ChunkRow]] = {name: [] for name in nodes}
        flat = [node for of_document in nodes.values() for node in of_document]
        for node in self._embedding.run(nodes=flat) if flat else ():
            name = node.ref_doc_id or ""
            try:
                rows[name].append(chunk_row(node, len(rows[name])))
            except Unstorable as error:
                work.refused[name] = _reason(error)
        return {name: [] if name in work.refused else found for name, found in rows.items()}


def make_storable(document: Document) -> None:
    """Remove the characters that Postgres cannot store, and mask secrets, before the document is hashed.

    :raises Unstorable: the id or the URL has such a character
    """
    text, title = document.text, str(document.metadata["title"])
    for name in (document.id_, str(document.metadata["url"])):
        if not is_storable(name):
            raise Unstorable("Its address has a character that the database cannot store. Rename it.")
    if (clean := masked(storable(text))) != text:
        document.set_content(clean)
    if (clean := masked(storable(title))) != title:
        document.metadata["title"] = clean


def chunk_row(node: BaseNode, ordinal: int) -> ChunkRow:
    """Return an embedded node as a row of the chunk table.

    :raises Unstorable: the model has no vector for it
    """
    metadata = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
    embedding = np.asarray(node.get_embedding(), dtype=np.float32)
    if not (np.isfinite(embedding).all() and embedding.any()):
        raise Unstorable(
            "The embedding model has no vector for a part of it: the server refuses its text, or returns numbers that "
            "are no vector."
        )
    return ChunkRow(
        node_id=node.node_id,
        ordinal=ordinal,
        text=node.get_content(MetadataMode.NONE),
        heading=str(node.metadata.get("heading", "")),
        url=str(node.metadata["url"]),
        metadata=metadata,
        embedding=embedding,
    )


def _reason(error: BaseException) -> str:
    return one_line(error) or type(error).__name__
