"""Questions: search the active index, and answer from what is found."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from rag.answer.answer import Answer, Turn
from rag.answer.answerers import Answerers
from rag.embedding.encoder import Encoder
from rag.embedding.encoders import Encoders
from rag.errors import ConfigurationError
from rag.search.checked import check_filters
from rag.search.editions import Choice, chosen_editions
from rag.search.results import SearchResult
from rag.search.searcher import Mode, Searcher
from rag.settings import Settings
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo
from rag.store.store import Store
from rag.text.lines import encodable
from rag.trust.secrets import masked

if TYPE_CHECKING:
    from rag.answer.answering import Answerer
    from rag.answer.extracts.extractor import Extractor
    from rag.answer.query_engine import SupportQueryEngine
    from rag.search.retriever import HybridRetriever

__all__ = ["Questions"]

AnySearcher = TypeVar("AnySearcher", bound=Searcher)
#: Logs an answer that was made from an index under filters, and returns it with its id.
Log = Callable[[IndexInfo, Answer, Filters], Answer]


class Questions:
    """Searches and answers. Safe to use from several threads.

    :param log: logs each answer
    """

    def __init__(self, settings: Settings, store: Store, encoders: Encoders, *, log: Log) -> None:
        self._settings = settings
        self._store = store
        self._encoders = encoders
        self._answerers = Answerers(settings, store, encoders)
        self._log = log

    def search(
        self,
        question: str,
        *,
        top_k: int = 10,
        source: str | None = None,
        filters: Filters | None = None,
        mode: Mode = "hybrid",
    ) -> list[SearchResult]:
        """Return the best chunk of each of the best documents, best first.

        :param source: search this source only
        :param filters: search only the documents that match these
        :param mode: what the results are ranked by
        :raises ConfigurationError: the index or the question is empty, or a filter is wrong
        """
        filters = self._checked(question, source, filters)
        index = self._index()
        choice = self._choice(filters, question)
        asked = choice.question if choice else question
        found = self._answerers.searcher(index, self._narrowed(filters, choice), mode).search(
            _readable(asked), top_k=top_k
        )
        if not found:
            self._store.indexes.filled()  # raises what to do about an empty index
        return found

    def ask(
        self,
        question: str,
        *,
        top_k: int = 8,
        source: str | None = None,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Answer a question from the index, or say that the sources do not.

        :param top_k: the number of chunks that the answer may draw on
        :param source: answer from this source only
        :param filters: answer only from documents that match these
        :param history: earlier turns of the conversation, which a follow-up may refer to
        :raises ConfigurationError: the index or the question is empty, or a filter is wrong
        :raises LLMError: the language model fails, and no passage can be quoted instead
        """
        from rag.llm.usage import counted

        filters = self._checked(question, source, filters)
        index = self.active_index
        with counted() as count:
            *_, answer = self._pieces(index, filters, _readable(question), _masked(history), top_k, streaming=False)
            assert isinstance(answer, Answer)
        return self._log(index, replace(answer, usage=count.total(self._settings.llm_price)), filters)

    def ask_stream(
        self,
        question: str,
        *,
        top_k: int = 8,
        source: str | None = None,
        filters: Filters | None = None,
        history: Sequence[Turn] = (),
    ) -> Iterator[str | Answer]:
        """Yield an answer's paragraphs, each as soon as it is written and checked, and at the end the whole `Answer`.

        Parameters and errors are those of `ask`.
        """
        filters = self._checked(question, source, filters)
        index = self.active_index
        # A reader may take each paragraph from another thread; the count of tokens needs one context.
        context = contextvars.copy_context()
        pieces = self._pieces(index, filters, _readable(question), _masked(history), top_k, streaming=True)
        stream = self._stream(pieces, index, filters)
        while (piece := context.run(next, stream, None)) is not None:
            yield piece

    def _pieces(
        self,
        index: IndexInfo,
        filters: Filters,
        question: str,
        history: Sequence[Turn],
        top_k: int,
        *,
        streaming: bool,
    ) -> Iterator[str | Answer]:
        """Yield the blocks of an answer and the answer, from the version that is asked about."""
        from rag.answer.question.subjects import begins_anew, since_begun

        earlier = [] if begins_anew(question) else since_begun(history)
        choice = self._choice(filters, question, earlier)
        narrowed = self._narrowed(filters, choice)
        answerer = self._answerers.answerer(self._answerers.searcher(index, narrowed), top_k=top_k)
        asked = choice.question if choice else question
        pieces = (
            answerer.stream(asked, history=history) if streaming else iter([answerer.answer(asked, history=history)])
        )
        if choice is None:
            return pieces
        from rag.answer.versions import Versioned

        def answered(searcher: Searcher, shown: float | None = None) -> Answer:
            return self._answerers.answerer(searcher, top_k=top_k, shown=shown).answer(asked, history=history)

        return Versioned(
            choice,
            question,
            lambda editions: self._answerers.searcher(index, replace(filters, editions=tuple(editions))),
            answered,
            lambda searcher: answered(searcher, shown=0.0),
            self._store.documents.at,
            is_extractive=self._answerers.writer is None,
        ).stream(pieces)

    def _choice(self, filters: Filters, question: str, history: Sequence[Turn] = ()) -> Choice | None:
        known = self._store.documents.editions(filters.source)
        return chosen_editions(known, question, filters.version, [turn.question for turn in history])

    @staticmethod
    def _narrowed(filters: Filters, choice: Choice | None) -> Filters:
        return filters if choice is None or not choice.others else replace(filters, editions=choice.allowed)

    def _stream(self, pieces: Iterator[str | Answer], index: IndexInfo, filters: Filters) -> Iterator[str | Answer]:
        from rag.llm.usage import counted

        with counted() as count:
            for piece in pieces:
                if isinstance(piece, Answer):
                    answer = replace(piece, usage=count.total(self._settings.llm_price))
                    yield self._log(index, answer, filters)
                else:
                    yield piece

    @property
    def active_index(self) -> IndexInfo:
        """The index that questions are answered from.

        :raises ConfigurationError: it is empty
        """
        return self._store.indexes.filled()

    def index_state(self) -> str:
        """Return a string that changes whenever the active index does: equal strings, equal answers.

        :raises ConfigurationError: the index is empty
        """
        return self._store.indexes.state(self._index())

    def searcher(self, filters: Filters | None = None) -> Searcher:
        """Return a searcher of the active index.

        :param filters: narrow every search of it
        """
        return self._answerers.searcher(self.active_index, filters or Filters())

    def searcher_made_by(self, make: Callable[[Store, IndexInfo, Encoder], AnySearcher]) -> AnySearcher:
        """Return a searcher of your own kind over the active index.

        :param make: is given the store, the index and the encoder of its model
        """
        index = self.active_index
        return make(self._store, index, self._encoders.of(index.embedding_model))

    def retriever(
        self, *, top_k: int = 8, source: str | None = None, filters: Filters | None = None
    ) -> HybridRetriever:
        """Return a LlamaIndex retriever over the active index.

        :param filters: retrieve only from documents that match these
        """
        from rag.search.retriever import HybridRetriever

        return HybridRetriever(self.searcher(filters), top_k=top_k, source=source)

    def query_engine(
        self,
        *,
        top_k: int = 8,
        source: str | None = None,
        searcher: Searcher | None = None,
        streaming: bool = False,
    ) -> SupportQueryEngine:
        """Return a LlamaIndex query engine over the active index.

        :param searcher: retrieve with this instead of `searcher()`
        :param streaming: `query` returns a response whose text arrives as it is written and checked
        """
        from rag.answer.query_engine import SupportQueryEngine

        return SupportQueryEngine(self.answerer(top_k=top_k, source=source, searcher=searcher), streaming=streaming)

    def answerer(
        self,
        *,
        top_k: int = 8,
        source: str | None = None,
        searcher: Searcher | None = None,
        extractor: Extractor | None = None,
    ) -> Answerer:
        """Return the answerer of the active index, free of LlamaIndex unless there is a language model.

        :param searcher: search with this instead of `searcher()`
        :param extractor: rank passages with this instead of the shipped weights
        """
        return self._answerers.answerer(searcher or self.searcher(), top_k=top_k, source=source, extractor=extractor)

    def _index(self) -> IndexInfo:
        """Return the active index, whether or not it holds anything."""
        return self._store.indexes.active() or self._store.indexes.filled()

    def _checked(self, question: str, source: str | None, filters: Filters | None) -> Filters:
        """Return what to search.

        :raises ConfigurationError: the question is empty, or a filter is wrong
        """
        if not question.strip():
            raise ConfigurationError("The question is empty.")
        filters = filters or Filters()
        filters = replace(filters, source=source) if source is not None else filters
        check_filters(filters, self._store)
        return filters


def _readable(question: str) -> str:
    """Return a question as it is searched, shown and logged."""
    return masked(encodable(question.strip()))


def _masked(history: Sequence[Turn]) -> list[Turn]:
    """Return a conversation without secrets in its questions; its answers are made of masked text."""
    return [replace(turn, question=_readable(turn.question)) for turn in history]
