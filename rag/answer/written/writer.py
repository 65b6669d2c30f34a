"""Answers by a language model, written from numbered chunks with LlamaIndex's response synthesizers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, cast

from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.utils import get_tokenizer

from rag.answer.answer import Turn
from rag.answer.written.condensing import standalone_question
from rag.answer.written.declining import is_no_answer
from rag.answer.written.part import Part
from rag.answer.written.parts import parts
from rag.answer.written.prompt import ANSWER, CONDENSE, REFINE, SUMMARIZE, conversation, fitted, grouped
from rag.errors import ContextTooLong, LLMError
from rag.llm.failures import translating_errors
from rag.search.neighbours import stretches
from rag.search.results import SearchResult

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from llama_index.core.response_synthesizers import BaseSynthesizer

__all__ = ["AnswerWriter", "Mode"]

log = logging.getLogger(__name__)

#: How the language model reads the chunks: in as few prompts as possible, in groups whose answers are then combined, or
#: one after the other.
Mode = Literal["compact", "tree_summarize", "refine"]

# The tokens of the context window that are reserved for the answer.
_ANSWER_TOKENS = 1024
# Tokens are counted with another model's tokenizer, which may count fewer.
_TOKENIZER_SLACK = 1.15
# How many stretches of documents a prompt holds in the mode tree_summarize.
_BRANCH = 3
# A prompt that the server refuses as too long is halved down to this window, RAG_CONTEXT_WINDOW's smallest.
_SMALLEST_WINDOW = 1024
# What LlamaIndex returns if there is nothing to summarize.
_NOTHING = "Empty Response"


class AnswerWriter:
    """Asks a language model for answers and for standalone questions.

    :param name: of the model, shown in errors
    """

    def __init__(self, llm: LLM, name: str, mode: Mode) -> None:
        self._llm = llm
        self._name = name
        self._mode = mode

    def standalone(self, question: str, history: Sequence[Turn]) -> str | None:
        """Return a follow-up rewritten as a standalone question; None if the language model fails to rewrite it."""
        try:
            with translating_errors(self._name):
                reply = self._llm.predict(CONDENSE, chat_history=conversation(history), question=question)
        except LLMError as error:
            log.warning("The follow-up was not rewritten as a standalone question: %s", error)
            return None
        return standalone_question(reply, question, history)

    def write(self, question: str, results: Sequence[SearchResult], *, streaming: bool) -> Iterator[Part]:
        """Yield the parts of an answer, whose markers count `results` from 1; see also `rag.answer.written.declining`.

        :param streaming: yield each part as soon as it is written; the server then reports no token counts
        :raises LLMError: the language model cannot be asked, or its reply is not an answer; a part that it was writing
            is not yielded
        """
        yield from parts(_lines(self._pieces(question, results, streaming=streaming)))

    def _pieces(self, question: str, results: Sequence[SearchResult], *, streaming: bool) -> Iterator[str]:
        window = self._llm.metadata.context_window
        while True:
            try:
                yield from self._synthesized(question, results, window, streaming=streaming)
            except ContextTooLong:
                if window <= _SMALLEST_WINDOW:
                    raise
                # Half of a window that the prompt did not fill would be the same prompt.
                window = max(min(window, self._needed(question, results)) // 2, _SMALLEST_WINDOW)
            else:
                return

    def _synthesized(
        self, question: str, results: Sequence[SearchResult], window: int, *, streaming: bool
    ) -> Iterator[str]:
        reserved = min(_ANSWER_TOKENS, window // 4)
        groups = self._grouped(question, results, window, reserved)
        helper = PromptHelper(context_window=window, num_output=reserved, chunk_overlap_ratio=0.0)
        mode = ResponseMode.REFINE
        with translating_errors(self._name):
            if self._mode == "tree_summarize" and len(groups) > 1:
                single = self._synthesizer(ResponseMode.REFINE, helper, streaming=False)
                answers = [str(single.get_response(question, [group])) for group in groups]
                groups = [text for text in answers if text.strip() and not is_no_answer(text)]
                if len(groups) < 2:
                    yield from groups
                    return
                mode = ResponseMode.TREE_SUMMARIZE
            written = self._synthesizer(mode, helper, streaming=streaming).get_response(question, groups)
            # A string, or a generator of its parts.
            yield from map(str, [written] if isinstance(written, str) else cast(Iterator[str], written))

    def _needed(self, question: str, results: Sequence[SearchResult]) -> int:
        """Return the window that one prompt with all the chunks fills, in tokens."""
        count = _token_counter()
        chunks = sum(map(count, fitted([list(enumerate(results, start=1))], count, budget=sys.maxsize)))
        return (
            int((chunks + count(str(ANSWER.format(context_str="", query_str=question)))) * _TOKENIZER_SLACK)
            + _ANSWER_TOKENS
        )

    def _grouped(self, question: str, results: Sequence[SearchResult], window: int, reserved: int) -> list[str]:
        """Return the chunks as one text for each prompt; each fits the context window."""
        count = _token_counter()
        rules = count(str(ANSWER.format(context_str="", query_str=question)))
        budget = max(int((window - reserved) / _TOKENIZER_SLACK) - rules - reserved // 2, 64)
        most = {"compact": len(results), "tree_summarize": _BRANCH, "refine": 1}[self._mode]
        numbered = [[(number, results[number - 1]) for number in numbers] for numbers in stretches(results)]
        return grouped(fitted(numbered, count, budget=budget), count, budget=budget, most=most)

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


def _token_counter() -> Callable[[str], int]:
    tokenize = get_tokenizer()
    return lambda text: len(tokenize(text))


def _lines(pieces: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a reply as they grow, and whether each is whole."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield from ((part, True) for part in _split_before_code(line))
        if rest:
            yield rest, False
    if rest and rest != _NOTHING:
        yield from ((part, True) for part in _split_before_code(rest))


def _split_before_code(line: str) -> list[str]:
    """Split a line before a fence at its end, which Markdown would not read as a fence."""
    if line.count("```") % 2 and not line.lstrip().startswith("```"):
        text, fence, rest = line.rpartition("```")
        return [text.rstrip(), fence + rest]
    return [line]
