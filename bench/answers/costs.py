"""Count the tokens that OpenAI would bill for real corpora: `python -m bench costs`.

The PostgreSQL 15 manual and the issues and pull requests of tls13-spec are ingested with an OpenAI embedding model, served
by a loopback server, and prompts are built from search results. Tokens are counted with OpenAI's tokenizers, which
LlamaIndex contains: cl100k_base for text-embedding-3, o200k_base for chat models. Prices are left out, since they change.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import llama_index.core
import tiktoken

from bench.paths import MANUAL, SHARED
from bench.report import Table
from bench.served import served
from flows.demo.github_server import GitHubServer, load_export
from rag.answer.written.prompt import ANSWER, rendered
from rag.engine import Engine
from rag.evaluate import read_queries
from rag.search.searcher import Searcher
from rag.settings import Settings
from rag.store.postgres.embedded import stop_embedded
from tests.servers.openai import OpenAIServer

_EMBEDDING = "openai/text-embedding-3-small"
_DIMENSION = 1536
_QUESTIONS = 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of the tokens to embed, and a table of the tokens per answer."""
    argparse.ArgumentParser(prog="python -m bench costs", description=__doc__).parse_args(arguments)
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(llama_index.core.__file__).parent / "_static" / "tiktoken_cache")
    embeddings = Table(
        "Tokens to embed",
        ["corpus", "documents", "chunks", "tokens", "tokens per document", "tokens to embed 1,000 documents"],
    )
    answers = Table(
        "Tokens per answer, eight sources",
        ["corpus", "questions", "tokens read per answer, mean", "maximum"],
    )
    corpora: list[Callable[[ExitStack], tuple[str, str, Path]]] = [_manual, _tls13]
    for corpus in corpora:
        with ExitStack() as stack:
            server = stack.enter_context(OpenAIServer(dimension=_DIMENSION))
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rag-bench-")))
            stack.callback(stop_embedded, home)
            name, toml, queries = corpus(stack)
            (home / "sources.toml").write_text(toml)
            settings = Settings(
                _env_file=None,
                RAG_HOME=home,
                RAG_SOURCES=home / "sources.toml",
                RAG_EMBEDDING_MODEL=_EMBEDDING,
                RAG_LLM="extractive",
                OPENAI_API_KEY=server.key,
                OPENAI_BASE_URL=server.url,
                RAG_GITHUB_API_URL=os.environ.get("RAG_GITHUB_API_URL", "https://api.github.com"),
            )
            with Engine.open(settings) as engine:
                report = engine.sync("it")
                tokens = sum(_counts("cl100k_base", server.inputs()))
                each = tokens / report.added
                embeddings.add(name, report.added, report.chunks_added, tokens, each, round(1000 * each))
                asked = [query.text for query in read_queries(queries)[:_QUESTIONS]]
                read = _counts("o200k_base", [_prompt(engine.questions.searcher(), question) for question in asked])
                answers.add(name, len(read), sum(read) / len(read), max(read))
            print(embeddings.rows[-1], answers.rows[-1], file=sys.stderr, flush=True)
    print(embeddings.markdown(), answers.markdown(), sep="\n\n")


def _prompt(searcher: Searcher, question: str) -> str:
    """Return the prompt of a question; only keywords find its sources, since the server's vectors are arbitrary."""
    found = searcher.search(question, top_k=8, per_document=3)
    sources = "\n\n".join(rendered(number, result) for number, result in enumerate(found, 1))
    messages = ANSWER.format_messages(context_str=sources, query_str=question)
    return "\n".join(str(message.content) for message in messages)


def _counts(tokenizer: str, texts: Sequence[str]) -> list[int]:
    return [len(tokens) for tokens in tiktoken.get_encoding(tokenizer).encode_batch(list(texts), disallowed_special=())]


def _manual(stack: ExitStack) -> tuple[str, str, Path]:
    url = stack.enter_context(served(MANUAL))
    toml = f'[[docs]]\nname = "it"\nurl = "{url}/index.html"\nexclude = ["bookindex.html"]\n'
    return "the PostgreSQL 15 manual", toml, SHARED / "postgresql-15-manual.questions.jsonl"


def _tls13(stack: ExitStack) -> tuple[str, str, Path]:
    github = stack.enter_context(
        GitHubServer(load_export(SHARED / "tls13-spec.github.json.gz"), web_url="https://github.com", rate_limit=10**9)
    )
    os.environ["RAG_GITHUB_API_URL"] = github.api_url
    toml = '[[github]]\nname = "it"\nrepo = "tlswg/tls13-spec"\ninclude = ["issues", "pulls"]\n'
    return "tls13-spec, issues and pull requests", toml, SHARED / "tls13-spec.fixes.jsonl"
