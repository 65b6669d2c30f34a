"""The LlamaIndex face of answering: a query engine to use in any LlamaIndex program."""

from __future__ import annotations

import asyncio

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from rag.answer.answering import Answerer
from rag.search.retriever import node_of

__all__ = ["SupportQueryEngine"]


class SupportQueryEngine(BaseQueryEngine):
    """A LlamaIndex query engine whose answers carry checked citations.

    Example::

        with Engine.open() as engine:
            response = engine.questions.query_engine().query("how do I back up one database?")
            print(response, [node.metadata["url"] for node in response.source_nodes])

    :param streaming: `query` returns a response whose text arrives block by block
    """

    def __init__(self, answerer: Answerer, *, streaming: bool = False) -> None:
        super().__init__(callback_manager=CallbackManager([]))
        self._answerer = answerer
        self._streaming = streaming

    def _query(self, query_bundle: QueryBundle) -> Response | StreamingResponse:
        if self._streaming:
            pieces = self._answerer.stream(query_bundle.query_str)
            return StreamingResponse(piece for piece in pieces if isinstance(piece, str))
        answer, results = self._answerer.answer_with_results(query_bundle.query_str)
        return Response(
            answer.answer,
            source_nodes=[node_of(result) for result in results],
            metadata={"answered": answer.answered, "sources": [source.url for source in answer.sources]},
        )

    async def _aquery(self, query_bundle: QueryBundle) -> Response | StreamingResponse:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}
