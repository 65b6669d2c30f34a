"""Answerers of an index, built from the settings: the language model and the re-ranker are opened once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from rag.embedding.encoders import Encoders
from rag.embedding.recent import RecentVectors
from rag.errors import ConfigurationError
from rag.search.searcher import Mode, Reranker, Searcher
from rag.settings import Settings
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo
from rag.store.store import Store

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag.answer.answering import Answerer
    from rag.answer.extracts.extractor import Extractor
    from rag.answer.written.writer import AnswerWriter

__all__ = ["Answerers"]


class Answerers:
    """Makes searchers and answerers."""

    def __init__(self, settings: Settings, store: Store, encoders: Encoders) -> None:
        self._settings = settings
        self._store = store
        self._encoders = encoders
        self._recent: dict[str, RecentVectors] = {}

    def searcher(self, index: IndexInfo, filters: Filters, mode: Mode = "hybrid") -> Searcher:
        """Return a searcher of an index.

        :raises ConfigurationError: RAG_RERANKER needs a language model, and none is set, or names no model
        """
        encoder = self._encoders.of(index.embedding_model)
        return Searcher(self._store, index, encoder, filters=filters, reranker=self._reranker, mode=mode)

    def answerer(
        self,
        searcher: Searcher,
        *,
        top_k: int,
        source: str | None = None,
        extractor: Extractor | None = None,
        shown: float | None = None,
    ) -> Answerer:
        """Return an answerer from what a searcher finds.

        :param extractor: ranks passages instead of one with the shipped weights
        :param shown: instead of the probability from which an extract is shown
        """
        # Not needed to search, and their import takes longer than a search.
        from rag.answer.answering import SHOWN, Answerer
        from rag.answer.extracts.extractor import Extractor

        model = searcher.index.embedding_model
        return Answerer(
            searcher,
            extractor or Extractor(self._recent_vectors(model)),
            writer=self.writer,
            llm_name=self._settings.llm,
            embedding_model=model,
            shown=SHOWN if shown is None else shown,
            top_k=top_k,
            source=source,
        )

    def _recent_vectors(self, model: str) -> RecentVectors:
        return self._recent.setdefault(model, RecentVectors(self._encoders.of(model)))

    @cached_property
    def writer(self) -> AnswerWriter | None:
        """The writer of answers with the language model of RAG_LLM; None for extractive answers."""
        if self._llm is None:
            return None
        from rag.answer.written.writer import AnswerWriter

        return AnswerWriter(self._llm, self._settings.llm, self._settings.response_mode)

    @cached_property
    def _llm(self) -> LLM | None:
        from rag.llm.clients import open_llm

        return open_llm(
            self._settings.llm,
            api_key=self._settings.openai_key,
            base_url=self._settings.openai_base_url,
            context_window=self._settings.context_window,
            timeout=self._settings.llm_timeout,
        )

    @cached_property
    def _reranker(self) -> Reranker | None:
        """What RAG_RERANKER names."""
        if self._settings.reranker is None:
            return None
        from rag.search.rerank import CrossEncoderReranker, LLMReranker, PairReranker

        if self._settings.reranker.startswith(("local:", "hf:")):
            from rag.embedding.pairs import open_pair_scorer

            return PairReranker(open_pair_scorer(self._settings.reranker, self._settings.home))
        if self._settings.reranker != "llm":
            return CrossEncoderReranker(self._settings.reranker)
        if self._llm is None:
            raise ConfigurationError(
                "RAG_RERANKER is 'llm', which needs a language model: set RAG_LLM or OPENAI_API_KEY."
            )
        return LLMReranker(self._llm, self._settings.llm)
