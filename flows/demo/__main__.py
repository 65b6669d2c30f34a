"""`python -m flows.demo`: ingest the bundled sample and ask it questions, without a key, network or Docker.

The handbook of this project and some issues about it are served on loopback, and read by the same flows and clients as
real sites. The demo has its own home folder, so it does not change the user's index.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from flows.demo.github_server import GitHubServer, load_export
from flows.demo.site import HandbookSite
from flows.engine import Ended, reporting_to, shared_engine
from flows.prefect.server import ServerProcess, connected, free_port, log_to
from flows.progress import show_progress, summary
from rag.command import CommandParser, run
from rag.errors import RagError
from rag.settings import Settings, load_settings
from rag.store.postgres.embedded import stop_embedded
from rag.terminal import screen

if TYPE_CHECKING:
    from rag.answer.answer import Answer
    from rag.ingest.report import SyncReport

__all__ = ["QUESTIONS", "main"]

#: The handbook answers the first question, an issue the second, and the sample does not answer the third.
QUESTIONS = (
    "How is an answer made?",
    "The docs crawl leaves out half of our site. Why?",
    "Can it read our Jira tickets?",
)
_SAMPLE = Path(__file__).parent
_HANDBOOK = Path(__file__).parents[2] / "docs"
# Fixed ports, because a page's address is its identity: a second run finds its documents unchanged.
_HANDBOOK_PORT, _GITHUB_PORT = 7341, 7342
_WIDTH = 100
_ITEM = re.compile(r"\s*(?:\d+\.|[-*]) ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo."""
    parser = CommandParser(
        prog="python -m flows.demo",
        description="Ingest the bundled sample, a small docs site and a GitHub repository's issues, and ask it three "
        "questions. Needs no key, network or Docker, and does not change your own index.",
        examples=["python -m flows.demo", "make demo"],
    )
    return run(parser, _demo, arguments)


def _demo(options: argparse.Namespace) -> int:
    if not any(_HANDBOOK.glob("*.md")):
        raise RagError(f"The sample's handbook is not at {_HANDBOOK}. Run the demo from a checkout.")
    home = load_settings().home / "demo"
    _use_private_prefect(home / "prefect")
    console = Console(highlight=False, soft_wrap=True)
    if not options.debug:
        logging.getLogger("rag").setLevel(logging.WARNING)
    console.print("[bold]support-engine[/]: answers from a project's docs and issues, every claim with its source\n")
    begun = time.perf_counter()
    with (
        ServerProcess() as server,
        HandbookSite(_HANDBOOK, port=free_port(_HANDBOOK_PORT)) as site,
        GitHubServer(load_export(_SAMPLE / "github.json"), port=free_port(_GITHUB_PORT)) as github,
    ):
        settings = _settings(home, site, github)
        try:
            _show(console, settings, server, site, github, debug=options.debug)
        finally:
            stop_embedded(home)
    console.print(f"\n[dim]Done in {time.perf_counter() - begun:.1f} s.[/]\n")
    _say_what_next(console)
    return 0


def _use_private_prefect(folder: Path) -> None:
    """Keep the demo's runs out of the user's Prefect; must be called before Prefect is imported."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ["PREFECT_HOME"] = str(folder)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


def _settings(home: Path, site: HandbookSite, github: GitHubServer) -> Settings:
    """Return the demo's settings, which do not depend on the environment and .env."""
    home.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.toml"
    sources.write_text(
        f'[[docs]]\nname = "handbook"\nurl = "{site.url}"\n\n'
        f'[[github]]\nname = "issues"\nrepo = "{github.full_name}"\ninclude = ["issues", "discussions", "pulls"]\n',
        encoding="utf-8",
    )
    return Settings(
        _env_file=None,
        RAG_HOME=home,
        RAG_DATABASE_URL=None,
        RAG_SOURCES=sources,
        RAG_EMBEDDING_MODEL="local/all-MiniLM-L6-v2",
        RAG_LLM="extractive",
        GITHUB_TOKEN="sample",  # noqa: S106 - GitHub requires one for discussions; the sample accepts any
        RAG_GITHUB_API_URL=github.api_url,
        OPENAI_API_KEY=None,
        OPENAI_BASE_URL=None,
    )


def _show(
    console: Console,
    settings: Settings,
    server: ServerProcess,
    site: HandbookSite,
    github: GitHubServer,
    *,
    debug: bool,
) -> None:
    with _step(console, 1, "Serve the sample on loopback"):
        console.print(f"   handbook   {len(site.pages)} pages at {site.url}")
        console.print(f"   issues     {github.full_name} at {github.api_url}")
    with ExitStack() as stack:
        with _step(console, 2, "Start Postgres with pgvector, and Prefect (slowest the first time)"):
            with ThreadPoolExecutor(1) as executor:
                engine = executor.submit(stack.enter_context, shared_engine(settings))
                # Seconds of imports, while Postgres and Prefect's server start.
                import_module("rag.ingest.pipeline")
                import_module("flows.answer")
                from flows.ingest import run_ingest

                engine.result()
            log_to(Console(stderr=True), debug=debug)
            stack.enter_context(connected(server))
        names = [source.name for source in settings.sources]
        with _step(console, 3, "Ingest both, each as a Prefect flow run"):
            shown = show_progress(console, names) if console.is_terminal else nullcontext(_ignore)
            with shown as listener, reporting_to(listener):
                reports = asyncio.run(run_ingest(names))
            for report in reports:
                console.print(f"   {report.name:<10} {summary(report)}", markup=False)
        if any(report.state == "failed" for report in reports):
            raise RagError("The sample could not be read in full.")
        with _step(console, 4, "Ask: something the handbook says, something an issue says, something neither does"):
            for question in QUESTIONS:
                begun = time.perf_counter()
                found = asyncio.run(_asked(question))
                _print_answer(console, found, time.perf_counter() - begun)


async def _asked(question: str) -> Answer:
    from flows.answer import answer
    from flows.prefect.returned import returned_as
    from rag.answer.answer import Answer

    return await returned_as(Answer, answer(question, return_state=True), otherwise="There is no answer")


def _ignore(_name: str, _news: SyncReport | Ended | str) -> None:
    """Show no progress."""


@contextmanager
def _step(console: Console, number: int, what: str) -> Iterator[None]:
    console.print(f"[bold cyan]{number}[/]  [bold]{what}[/]")
    begun = time.perf_counter()
    yield
    console.print(f"   [dim]{time.perf_counter() - begun:.1f} s[/]\n")


def _print_answer(console: Console, answer: Answer, seconds: float) -> None:
    console.print(f"\n   [bold]“{escape(answer.question)}”[/]  [dim]{seconds:.1f} s[/]\n")
    if shown := screen():
        shown.markdown(answer.answer, indent=3)
    else:
        for line in answer.answer.splitlines():
            console.print(*(f"   │ {part}" for part in _wrapped(line)), sep="\n", markup=False)
        console.print()
    console.print("   [dim]Sources[/]" if answer.answered else "   [dim]Nearest pages[/]")
    for source in answer.sources:
        title = textwrap.shorten(source.title, 70, placeholder=" …")
        console.print(f"   [green]\\[{source.n}][/] {escape(title)}  [dim]{source.source}[/]")
        console.print(f"       [blue]{escape(source.url)}[/]")


def _wrapped(line: str) -> list[str]:
    """Return the lines of a wrapped line of Markdown; those of an item of a list stand below its text."""
    mark = _ITEM.match(line)
    hanging = " " * len(mark[0]) if mark else ""
    return textwrap.wrap(line, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


def _say_what_next(console: Console) -> None:
    console.print("[bold]Now with your own project[/]\n")
    for command, why in _NEXT:
        console.print(f"   {command:<52}[dim]{why}[/]")


_NEXT = (
    ("cp sources.example.toml sources.toml", "then add your repository and docs site"),
    (".venv/bin/python -m flows.ingest", "read them; a repeated run reads only changes"),
    ('.venv/bin/python -m rag.ask "your question"', "an answer with its sources"),
    (".venv/bin/python -m rag.web", "the same in a browser"),
    (".venv/bin/python -m flows.serve", "keep the index fresh, on a schedule"),
)


if __name__ == "__main__":
    raise SystemExit(main())
