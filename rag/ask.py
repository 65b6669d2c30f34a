"""`python -m rag.ask "question"`: print an answer with its sources, or search results."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from rag.answer.answer import Answer, Turn
from rag.command import CommandParser, date_argument, print_json, run
from rag.errors import ConfigurationError, RagError
from rag.search.results import SearchResult, search_json
from rag.store.filters import KINDS, STATES, Filters
from rag.store.postgres.encoding import storable
from rag.terminal import Screen, has_person, screen

if TYPE_CHECKING:
    from rag.engine import Engine

__all__ = ["main"]

_EXTRACTS = "These are extracts from the sources. For written answers set OPENAI_API_KEY or RAG_LLM."


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the question on the command line."""
    parser = CommandParser(
        prog="python -m rag.ask",
        description="Answer a question from the ingested sources, with a citation for every claim.",
        examples=[
            'python -m rag.ask "how do I back up a single database?"',
            "python -m rag.ask how do I back up a single database",
            'python -m rag.ask "max_wal_size" --search-only --top-k 5',
            'python -m rag.ask "what changed in 0-RTT?" --source tls13-spec --json',
            "python -m rag.ask",
            'python -m rag.ask "does it crash on startup?" --kind issue --state open --since 2024-01-01',
        ],
    )
    parser.add_argument(
        "question",
        nargs="*",
        metavar="WORD",
        help="the question; quote it if it contains shell characters. Without a question, a terminal starts a "
        "conversation",
    )
    parser.add_argument("--chat", action="store_true", help="read more questions from standard input, one per line")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--top-k",
        type=_positive,
        metavar="N",
        help="chunks for the answer (default 8), or results to list (default 10)",
    )
    parser.add_argument("--source", metavar="NAME", help="search this source only")
    parser.add_argument("--kind", choices=KINDS, help="search documents of this kind only")
    parser.add_argument("--label", metavar="NAME", help="search threads with this label only")
    parser.add_argument("--state", choices=STATES, help="search threads in this state only")
    parser.add_argument(
        "--since", type=date_argument, metavar="DATE", help="search documents updated on this day or later"
    )
    parser.add_argument(
        "--until", type=date_argument, metavar="DATE", help="search documents updated on this day or earlier"
    )
    parser.add_argument(
        "--version", metavar="V", help="answer for this version (default: as the question says, or the newest)"
    )
    parser.add_argument("--search-only", action="store_true", help="list search results, without an answer")
    return run(parser, _ask, arguments)


def _ask(options: argparse.Namespace) -> int:
    if options.chat and (options.json or options.search_only):
        raise ConfigurationError("--chat cannot be combined with --json or --search-only.")
    # A question of spaces is an empty question, not none.
    question: str | None = " ".join(options.question) if options.question else None
    wants_one = options.json or options.search_only
    if question is None and not options.chat and (wants_one or not has_person()):
        raise ConfigurationError('A question is missing: python -m rag.ask "how do I …?", or --chat.')
    filters = Filters(
        options.source, options.kind, options.label, options.state, options.since, options.until, options.version
    )
    with _engine(to_answer=not options.search_only) as engine:
        if question is None or options.chat:
            return _chat(engine, options, filters, question)
        if options.search_only:
            started = time.perf_counter()
            results = engine.search(question, top_k=options.top_k or 10, filters=filters)
            seconds = round(time.perf_counter() - started, 4)
            _print_results(question, results, seconds, as_json=options.json)
        else:
            _answer(engine, options, filters, question, ())
    return 0


@contextmanager
def _engine(*, to_answer: bool) -> Iterator[Engine]:
    """Open an engine, and import what answers, while a thread loads the local embedding model."""
    from rag.embedding import LocalEncoder
    from rag.settings import load_settings

    settings = load_settings()
    encoder = LocalEncoder(settings.home) if settings.embedding_model == LocalEncoder.model else None
    with encoder.preparing() if encoder else nullcontext():
        from rag.engine import Engine

        opened = Engine.open(settings, encoder=encoder)
        if to_answer:
            import_module("rag.answer.answering")
    with opened as engine:
        yield engine


def _chat(engine: Engine, options: argparse.Namespace, filters: Filters, question: str | None) -> int:
    """Answer questions until the end of input; an error in one does not end the chat."""
    history: list[Turn] = []
    if question is None and has_person():
        sys.stderr.write("Ask a question; the next question can refer to it. Ctrl-D ends.\n")
    while True:
        if question is None:
            question = _next_question()
            if not question:
                return 0
        if question.strip():
            try:
                answer = _answer(engine, options, filters, question, history)
                history.append(answer.turn)
            except RagError as error:
                sys.stderr.write(f"error: {error}\n")
        question = None


def _next_question() -> str:
    """Return the next line of stdin, without bytes that are not UTF-8; empty at its end."""
    if not has_person():
        return storable(sys.stdin.readline())
    with suppress(ImportError):
        import readline  # noqa: F401 - gives `input` its line editing and its history
    try:
        return storable(input("> ")) + "\n"
    except EOFError:
        sys.stdout.write("\n")
        return ""


def _answer(
    engine: Engine, options: argparse.Namespace, filters: Filters, question: str, history: Sequence[Turn]
) -> Answer:
    """Print an answer: as one JSON object, or paragraph by paragraph as each is ready."""
    top_k = options.top_k or 8
    if options.json:
        from rag.service.asking import Request, ask

        reply = ask(engine, Request(question, filters, top_k, history))
        print_json(reply.to_json())
        return reply.answer
    shown = screen()
    block = ""
    pieces = engine.questions.ask_stream(question, top_k=top_k, filters=filters, history=history)
    for number, piece in enumerate(pieces):
        if number == 0:  # not before, because a question that is refused has no answer to set apart
            sys.stdout.write("\n")
        if isinstance(piece, Answer):
            if shown and block:
                shown.markdown(block)
            _print_sources(piece) if shown is None else _show_sources(shown, piece)
            return piece
        if shown is None:
            sys.stdout.write(piece)
            sys.stdout.flush()
        else:  # Markdown is rendered paragraph by paragraph
            block += piece
            if block.endswith("\n\n"):
                shown.markdown(block)
                block = ""
    raise AssertionError("a stream ends with its answer")


def _show_sources(shown: Screen, answer: Answer) -> None:
    """Print the sources on a terminal."""
    if answer.sources:
        shown.line("Sources" if answer.answered else "Nearest pages", "bold")
    for source in answer.sources:
        shown.line(f"[{source.n}] {source.title}  ({source.source})", "cyan", indent=2)
        shown.line(source.url, "blue underline", indent=6, link=source.url)
        if said := " · ".join(part for part in (source.said_by, source.note) if part):
            shown.line(said, "dim", indent=6)
        if answer.answered:
            shown.line(f"“{textwrap.shorten(source.quote, 160, placeholder=' …')}”", "dim", indent=6)
    if answer.answered:
        shown.line("")
        shown.line(_about(answer), "dim")


def _print_sources(answer: Answer) -> None:
    lines = [] if answer.answered else ["", ""]
    if answer.sources:
        lines.append("Sources" if answer.answered else "Nearest pages")
    for source in answer.sources:
        lines += [f"  [{source.n}] {source.title}  ({source.source})", f"      {source.url}"]
        said = " · ".join(part for part in (source.said_by, source.note) if part)
        lines += [f"      {said}"] if said else []
        if answer.answered:
            quote = textwrap.shorten(source.quote, 160, placeholder=" …")
            lines += textwrap.wrap(f"“{quote}”", 100, initial_indent="      ", subsequent_indent="      ")
    if answer.answered:
        lines += ["", _about(answer)]
    sys.stdout.write("\n".join(lines) + "\n")


def _about(answer: Answer) -> str:
    """Return how likely an answer is right, and what it is made of."""
    likely = f"Likelihood that this answer is right: {answer.score:.0%}."
    return f"{likely} {_EXTRACTS}" if answer.llm == "extractive" else likely


def _print_results(question: str, results: Sequence[SearchResult], seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json(search_json(question, results, seconds))
        return
    shown = screen()
    for result in results:
        title = f"{result.rank:>3}. {result.title}  ({result.source}, {result.score:.0%})"
        text = textwrap.shorten(result.text, 200, placeholder=" …")
        if shown:
            shown.line(title, "cyan")
            shown.line(result.url, "blue underline", indent=5, link=result.url)
            shown.line(text, indent=5)
        else:
            wrapped = textwrap.fill(text, 100, initial_indent=" " * 5, subsequent_indent=" " * 5)
            sys.stdout.write(f"{title}\n     {result.url}\n{wrapped}\n")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
