"""Retrieve, answer with citations, and check every sentence; or say that the sources do not answer.

With a language model the answer is written from numbered sources by LlamaIndex's response synthesizers; without one it
is extracts, quoted from the chunks. Either way nothing reaches the user that points to something which was not
retrieved, and of what a model writes only what the chunks that it cites hold.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.utils import get_tokenizer

from rag.answer.extracts import Extractor
from rag.answer.grounding import SupportChecker
from rag.answer.prompt import ANSWER, CONDENSE, NO_ANSWER, REFINE, SUMMARIZE, conversation, fitted, grouped
from rag.errors import ContextTooLong
from rag.llm.clients import explained
from rag.models import Answer, SearchResult, Source, Turn
from rag.search.retriever import node_of
from rag.search.searcher import Searcher
from rag.text.citations import best_quote, cited, keep_known_links, plain, renumber, text_fragment
from rag.text.neighbours import REACH, stretches, with_neighbours
from rag.trust.authorship import evidence, origin, verdict

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from llama_index.core.response_synthesizers import BaseSynthesizer

__all__ = ["ABSTENTION", "Mode", "SupportQueryEngine"]

#: How a language model is given its sources: as many as fit at once, in groups whose answers are then made one, or one
#: after the other.
Mode = Literal["compact", "tree_summarize", "refine"]

#: Shown instead of an answer; the nearest pages follow as sources.
ABSTENTION = "The sources do not answer this. The nearest pages are listed below."
# The score from which on a question is answered. Even odds would be 0.5; a wrong answer costs a user more than a list
# of the nearest pages does.
_ANSWERABLE = 0.7
#: How many pages an abstention offers.
_NEAREST = 3
# What is kept of a model's window for its answer, in tokens, and for what a tokenizer of another model counts less.
_ANSWER_TOKENS = 1024
_TOKENIZER_SLACK = 1.15
# So many sources to an answer where several answers are made one.
_BRANCH = 3
# Models put a marker behind the end of code.
_MARKER = re.compile(r"\[[\d\s,]+\]")
# A window that turns out to be smaller is tried at half, and at a quarter.
_SHRINKS = 3


@dataclass(slots=True)
class _Draft:
    """An answer in the making."""

    results: Sequence[SearchResult]
    #: the markers' numbers, in the order in which they appear
    numbers: list[int] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def add(self, block: str) -> str:
        """Add a block whose markers count the results, and return it as it is shown."""
        for number in cited(block, range(1, len(self.results) + 1)):
            if number not in self.numbers:
                self.numbers.append(number)
        shown = renumber(block, self.numbers)
        self.blocks.append(shown)
        return shown

    @property
    def text(self) -> str:
        return "\n\n".join(self.blocks)

    @property
    def used(self) -> list[SearchResult]:
        return [self.results[number - 1] for number in self.numbers]


class SupportQueryEngine(BaseQueryEngine):
    """A LlamaIndex query engine whose answers carry checked citations.

    Example::

        with Engine.open() as engine:
            response = engine.query_engine().query("how do I back up one database?")
            print(response, [node.metadata["url"] for node in response.source_nodes])

    :param extractor: answers where there is no `llm`
    :param llm: writes the answer; None for extracts
    :param llm_name: shown with answers
    :param mode: how the model is given its sources
    :param threshold: below this score of the best result, in [0, 1], the engine abstains
    :param streaming: `query` returns a response whose text comes as it is written and checked
    """

    def __init__(
        self,
        searcher: Searcher,
        extractor: Extractor,
        *,
        llm: LLM | None,
        llm_name: str,
        embedding_model: str,
        mode: Mode = "compact",
        threshold: float = _ANSWERABLE,
        top_k: int = 8,
        source: str | None = None,
        streaming: bool = False,
    ) -> None:
        super().__init__(callback_manager=CallbackManager([]))
        self._searcher = searcher
        self._extractor = extractor
        self._llm = llm
        self._llm_name = llm_name
        self._embedding_model = embedding_model
        self._mode = mode
        self._threshold = threshold
        self._top_k = top_k
        self._source = source
        self._streaming = streaming

    def answer(self, question: str, *, history: Sequence[Turn] = ()) -> Answer:
        """Answer a question.

        :param history: earlier turns of the conversation, which a follow-up may refer to
        :raises LLMError: the language model cannot be asked
        """
        return self._finish(self._stream(question, history, streaming=False))[0]

    def stream(self, question: str, *, history: Sequence[Turn] = ()) -> Iterator[str | Answer]:
        """Yield the answer a block at a time, each checked before it is shown, and at the end the whole `Answer`.

        :raises LLMError: the language model cannot be asked; what has been yielded holds
        """
        answer, _ = yield from self._stream(question, history, streaming=True)
        yield answer

    def _stream(
        self, question: str, history: Sequence[Turn], *, streaming: bool
    ) -> Generator[str, None, tuple[Answer, list[NodeWithScore]]]:
        started = time.perf_counter()
        asked = self.standalone(question, history)
        results = self._searcher.search(asked, top_k=self._top_k, source=self._source, per_document=3)
        retrieved = time.perf_counter()
        draft = _Draft(results)
        if self._answerable(results):
            draft.results = results = with_neighbours(results, self._searcher.around(results, REACH))
            if self._llm is None:
                written: Iterator[str] = iter([self._extractor.answer(asked, results) or ""])
            else:
                written = self._checked(_blocks(self._written(asked, results, streaming=streaming)), asked, draft)
            for block in written:
                if block:
                    shown = draft.add(block)
                    yield shown + "\n\n"
            for block in _verdicts(draft):
                yield draft.add(block) + "\n\n"
        answered = bool(draft.numbers)
        used = draft.used if answered else _distinct_pages(results)[:_NEAREST]
        if not answered:
            yield ABSTENTION
        done = time.perf_counter()
        text = draft.text if answered else ABSTENTION
        answer = Answer(
            question=question,
            answered=answered,
            answer=text,
            sources=tuple(
                _source(number, result, text if answered and self._llm else asked)
                for number, result in enumerate(used, start=1)
            ),
            embedding_model=self._embedding_model,
            llm=self._llm_name,
            timings={
                "retrieve": round(retrieved - started, 4),
                "answer": round(done - retrieved, 4),
                "total": round(done - started, 4),
            },
        )
        return answer, [node_of(result) for result in used]

    def _answerable(self, results: Sequence[SearchResult]) -> bool:
        return any(result.score >= self._threshold for result in results)

    @staticmethod
    def _finish(
        stream: Generator[str, None, tuple[Answer, list[NodeWithScore]]],
    ) -> tuple[Answer, list[NodeWithScore]]:
        while True:
            try:
                next(stream)
            except StopIteration as stop:
                answer: tuple[Answer, list[NodeWithScore]] = stop.value
                return answer

    def standalone(self, question: str, history: Sequence[Turn]) -> str:
        """Return a follow-up as a question that needs no conversation to be understood.

        Without a language model one that is not answered alone gets the question before it in front, whose words tell
        what "it" is.
        """
        if not history:
            return question
        if self._llm is None:
            alone = self._searcher.search(question, top_k=1, source=self._source)
            return question if self._answerable(alone) else f"{history[-1].question} {question}"
        with explained(self._llm_name):
            said = self._llm.predict(CONDENSE, chat_history=conversation(history), question=question).strip()
        return said if 0 < len(said) <= 2000 else question

    def _checked(self, blocks: Iterable[str], question: str, draft: _Draft) -> Iterator[str]:
        """Yield what of each block its sources hold; one that cites nothing has its neighbours'."""
        checker = SupportChecker(self._extractor.encoder, draft.results, question)
        known = range(1, len(draft.results) + 1)
        links = [result.url for result in draft.results]
        before: list[int] = []
        waiting: list[str] = []
        for block in blocks:
            block = keep_known_links(plain(block), links)
            numbers = cited(block, known)
            if not numbers and not before:
                waiting.append(block)
                continue
            for one in [*waiting, block]:
                yield checker.check(one, before or numbers, draft.numbers)
            waiting.clear()
            before = numbers or before

    def _written(self, question: str, results: Sequence[SearchResult], *, streaming: bool) -> Iterator[str]:
        """Yield what the model writes, with markers that count `results` from 1.

        :param streaming: as it is written; servers then do not say how many tokens it took
        """
        assert self._llm is not None
        window = self._llm.metadata.context_window
        for shrunk in range(_SHRINKS):
            try:
                yield from self._synthesized(question, results, window >> shrunk, streaming=streaming)
            except ContextTooLong:
                if shrunk == _SHRINKS - 1:
                    raise
            else:
                return

    def _synthesized(
        self, question: str, results: Sequence[SearchResult], window: int, *, streaming: bool
    ) -> Iterator[str]:
        count = _counter()
        reserved = min(_ANSWER_TOKENS, window // 4)
        rules = count(str(ANSWER.format(context_str="", query_str=question)))
        budget = max(int((window - reserved) / _TOKENIZER_SLACK) - rules - reserved // 2, 64)
        most = {"compact": len(results), "tree_summarize": _BRANCH, "refine": 1}[self._mode]
        sources = [[(number, results[number - 1]) for number in numbers] for numbers in stretches(results)]
        groups = grouped(fitted(sources, count, budget=budget), count, budget=budget, most=most)
        helper = PromptHelper(context_window=window, num_output=reserved, chunk_overlap_ratio=0.0)
        with explained(self._llm_name):
            if self._mode == "tree_summarize" and len(groups) > 1:
                single = self._synthesizer(ResponseMode.REFINE, helper, streaming=False)
                answers = [str(single.get_response(question, [group])) for group in groups]
                groups = [text for text in answers if text.strip() and NO_ANSWER not in text]
                if len(groups) < 2:
                    yield from groups
                    return
                synthesizer = self._synthesizer(ResponseMode.TREE_SUMMARIZE, helper, streaming=streaming)
            else:
                synthesizer = self._synthesizer(ResponseMode.REFINE, helper, streaming=streaming)
            written = synthesizer.get_response(question, groups)
            # A string, or a generator of its parts.
            yield from map(str, [written] if isinstance(written, str) else cast(Iterator[str], written))

    def _synthesizer(self, mode: ResponseMode, helper: PromptHelper, *, streaming: bool) -> BaseSynthesizer:
        return get_response_synthesizer(
            llm=self._llm,
            prompt_helper=helper,
            response_mode=mode,
            text_qa_template=ANSWER,
            refine_template=REFINE,
            summary_template=SUMMARIZE,
            streaming=streaming,
        )

    def _query(self, query_bundle: QueryBundle) -> Response | StreamingResponse:
        if self._streaming:
            pieces = (piece for piece in self.stream(query_bundle.query_str) if isinstance(piece, str))
            return StreamingResponse(pieces)
        answer, nodes = self._finish(self._stream(query_bundle.query_str, (), streaming=False))
        return Response(
            answer.answer,
            source_nodes=nodes,
            metadata={"answered": answer.answered, "sources": [source.url for source in answer.sources]},
        )

    async def _aquery(self, query_bundle: QueryBundle) -> Response | StreamingResponse:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _counter() -> Callable[[str], int]:
    tokenize = get_tokenizer()
    return lambda text: len(tokenize(text))


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    """Cut what a model writes into paragraphs, lists, tables and pieces of code, each as soon as it is whole.

    A reply that says there is no answer has no blocks.
    """
    lines: list[str] = []
    fence = ""
    for line in _lines(pieces):
        if NO_ANSWER in line:
            return
        stripped = line.strip()
        mark = stripped[:3] if stripped.startswith(("```", "~~~")) else ""
        if mark and not fence:
            if lines:
                yield "\n".join(lines)
            lines, fence = [line], mark
        elif fence:
            lines.append(line)
            if mark == fence and not _MARKER.sub("", stripped).strip(f"{fence[0]} "):
                yield "\n".join(lines)
                lines, fence = [], ""
        elif stripped:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield from _before_code(line)
    if rest and rest != "Empty Response":
        yield from _before_code(rest)


def _before_code(line: str) -> list[str]:
    """Part a line from the code that begins at its end, which Markdown would not take for code."""
    if line.count("```") % 2 and not line.lstrip().startswith("```"):
        text, fence, rest = line.rpartition("```")
        return [text.rstrip(), fence + rest]
    return [line]


def _verdicts(draft: _Draft) -> list[str]:
    """Say what became of the threads that an answer relies on, where that decides and the answer does not say it."""
    said: list[str] = []
    text = draft.text
    for number in draft.numbers:
        thread = draft.results[number - 1].thread
        what = verdict(thread)
        if thread and what and f"#{thread.number}: {what}" not in " ".join(said) and what.split(",")[0] not in text:
            said.append(f"#{thread.number}: {what} [{number}]")
    return ["\n".join(f"- {line}" for line in said)] if said else []


def _distinct_pages(results: Sequence[SearchResult]) -> list[SearchResult]:
    first: dict[str, SearchResult] = {}
    for result in results:
        first.setdefault(result.document_id, result)
    return list(first.values())


def _source(number: int, result: SearchResult, about: str) -> Source:
    quote = best_quote(_claims(about, number), evidence(result))
    if quote not in result.text:  # it runs over a sentence that was taken out
        quote = best_quote(_claims(about, number), result.text)
    place = max(result.text.find(quote), 0)
    url = result.url_at(place)
    voice = result.voice_at(place)
    return Source(
        n=number,
        url=url,
        title=result.title,
        source=result.source,
        kind=result.kind,
        score=round(result.score, 4),
        quote=quote,
        chunk_id=result.chunk_id,
        link=text_fragment(url, quote) if result.kind == "page" else url,
        said_by=origin(voice) if voice else None,
        note=verdict(result.thread),
    )


def _claims(answer: str, number: int) -> str:
    """Return the lines of an answer that cite a source, or all of it."""
    lines = [line for line in answer.split("\n") if f"[{number}]" in line]
    return "\n".join(lines) or answer
