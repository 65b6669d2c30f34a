"""Search as a LlamaIndex retriever, for use in any LlamaIndex program."""

from __future__ import annotations

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from rag.search.results import SearchResult
from rag.search.searcher import Searcher

__all__ = ["HybridRetriever"]


class HybridRetriever(BaseRetriever):
    """Hybrid retrieval: dense and BM25 scores over one index, fused.

    Example::

        with Engine.open() as engine:
            retriever = HybridRetriever(engine.questions.searcher(), top_k=5)
            for found in retriever.retrieve("how do I back up one database?"):
                print(found.score, found.node.metadata["url"])

    :param top_k: how many nodes to return
    :param source: retrieve from this source only
    :param per_document: the most nodes of one document
    """

    def __init__(self, searcher: Searcher, *, top_k: int = 8, source: str | None = None, per_document: int = 3) -> None:
        super().__init__()
        self._searcher = searcher
        self._top_k = top_k
        self._source = source
        self._per_document = per_document

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        results = self._searcher.search(
            query_bundle.query_str, top_k=self._top_k, source=self._source, per_document=self._per_document
        )
        return [node_of(result) for result in results]


def node_of(result: SearchResult) -> NodeWithScore:
    """Return a search result as a LlamaIndex node; its score is in [0, 1]."""
    metadata = {
        "url": result.url,
        "title": result.title,
        "source": result.source,
        "kind": result.kind,
        "heading": result.heading,
        "document_id": result.document_id,
    }
    node = TextNode(
        id_=result.chunk_id,
        text=result.text,
        metadata=metadata,
        excluded_embed_metadata_keys=[key for key in metadata if key != "heading"],
        excluded_llm_metadata_keys=[key for key in metadata if key != "heading"],
        metadata_template="{value}",
    )
    return NodeWithScore(node=node, score=result.score)
