"""The tools: the service's methods with a token budget, for a caller that is another program's language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import AliasChoices, Field

from rag.errors import RagError
from rag.mcp.budget import BUDGET, LEAST_BUDGET, MOST_BUDGET, cut, cut_json, fitted, listed, tokens_of
from rag.mcp.shapes import Answered, Fetched, Recorded, SearchResults, Sources, Verification
from rag.service import Missing, Reply, Service
from rag.service.reading import Reading
from rag.service.service import LONGEST_QUESTION, LONGEST_TEXT
from rag.service.threads import Threads
from rag.store.filters import Filters

__all__ = ["Tools"]

# Models invent names for the arguments; what they mean is plain.
_QUERY = AliasChoices("query", "question", "q")
_QUESTION = AliasChoices("question", "query", "q")
_ID = AliasChoices("id", "url", "uri", "document_id")

Query = Annotated[
    str, Field(max_length=LONGEST_QUESTION, validation_alias=_QUERY, description="a question, or words to search for")
]
Question = Annotated[
    str,
    Field(max_length=LONGEST_QUESTION, validation_alias=_QUESTION, description="one question, in a whole sentence"),
]
Place = Annotated[str, Field(max_length=4_000, validation_alias=_ID, description="an id from `search`, or a URL")]
Source = Annotated[str | None, Field(max_length=200, description="only from this source; see `sources`")]
Kind = Annotated[
    Literal["issue", "pull", "discussion", "page", "file"] | None, Field(description="only documents of this kind")
]
State = Annotated[Literal["open", "closed", "merged"] | None, Field(description="only threads in this state")]
Label = Annotated[str | None, Field(max_length=200, description="only threads with this label")]
Day = Annotated[date | None, Field(description="YYYY-MM-DD, by the last update")]
Version = Annotated[
    str | None,
    Field(max_length=100, description="of the software; the one the question names, or the newest, if unset"),
]
Limit = Annotated[
    int, Field(ge=1, le=50, validation_alias=AliasChoices("limit", "top_k", "max_results"), description="most results")
]
TokenBudget = Annotated[int, Field(ge=LEAST_BUDGET, le=MOST_BUDGET, description="the most tokens of the reply")]

_SEARCH_KEYS = ("id", "title", "url", "text", "source", "kind", "score")
_CITED_KEYS = ("n", "url", "title", "source", "quote", "said_by", "note", "updated_at", "commit")


class Tools:
    """One method for each tool; its docstring is what the model reads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._threads = Threads()

    async def search(
        self,
        query: Query,
        ctx: Context[None],
        source: Source = None,
        kind: Kind = None,
        label: Label = None,
        state: State = None,
        since: Day = None,
        until: Day = None,
        version: Version = None,
        limit: Limit = 10,
        token_budget: TokenBudget = BUDGET,
    ) -> Annotated[CallToolResult, SearchResults]:
        """Search the project's documentation, issues, pull requests and discussions.

        Returns the best passage of each of the best documents, with an id for `fetch`. Good for error messages,
        options, identifiers, and questions that need several documents.
        """
        with _allowed(ctx, "search"):
            filters = Filters(source, kind, label, state, since, until, version)
            found = await self._threads.run(self._service.search, query, filters=filters, limit=limit)
            return _result(listed(map(_found, found["results"]), token_budget, name="results"))

    async def fetch(
        self,
        id: Place,
        ctx: Context[None],
        start: Annotated[
            int | None, Field(ge=0, description="where to begin, in characters: next_start of the last reply")
        ] = None,
        token_budget: TokenBudget = BUDGET,
    ) -> Annotated[CallToolResult, Fetched]:
        """Read a document of the index as Markdown, by the id of a search result or by its URL.

        A URL with a fragment is read from there on. A long document is cut; call again with `start` for the rest.
        """
        with _allowed(ctx, "search"):
            document = await self._threads.run(self._service.document, id)
            return _result(_fetched(document, start, token_budget))

    async def ask(
        self,
        question: Question,
        ctx: Context[None],
        thread: Annotated[
            str | None, Field(max_length=100, description="the thread of the answer to follow up")
        ] = None,
        source: Source = None,
        version: Version = None,
        token_budget: TokenBudget = BUDGET,
    ) -> Annotated[CallToolResult, Answered]:
        """Answer a question from the project's sources, each claim with a verbatim quote.

        If `answered` is false, the sources do not say; the nearest pages are listed. Give `thread` with a follow-up.
        """
        with _allowed(ctx, "ask"):
            request = await self._threads.run(
                self._service.request, question, Filters(source=source, version=version), thread=thread, by="agent"
            )
            reply: Reply | None = None
            shown = 0
            async for piece in self._threads.each(self._service.ask_stream(request)):
                if isinstance(piece, Reply):
                    reply = piece
                elif piece.strip():
                    shown += 1
                    await ctx.report_progress(shown, message=piece.strip())
            assert reply is not None
            return _result(_answered(reply, token_budget))

    async def similar(
        self,
        ctx: Context[None],
        id: Annotated[
            str | None, Field(max_length=4_000, validation_alias=_ID, description="the id or URL of a document")
        ] = None,
        title: Annotated[str | None, Field(max_length=LONGEST_QUESTION, description="or: a title")] = None,
        body: Annotated[str | None, Field(max_length=LONGEST_TEXT, description="and a body")] = None,
        source: Source = None,
        kind: Kind = None,
        limit: Limit = 10,
        token_budget: TokenBudget = BUDGET,
    ) -> Annotated[CallToolResult, SearchResults]:
        """Find documents like one of the index, or like a text: duplicates of an issue to be filed, related pages."""
        with _allowed(ctx, "search"):
            found = await self._threads.run(
                self._service.similar,
                place=id,
                title=title,
                body=body,
                filters=Filters(source, kind),
                limit=limit,
            )
            return _result(listed(map(_found, found["results"]), token_budget, name="results"))

    async def verify(
        self,
        text: Annotated[
            str, Field(max_length=LONGEST_TEXT, description="a text whose sentences are checked one by one")
        ],
        ctx: Context[None],
        source: Source = None,
        token_budget: TokenBudget = BUDGET,
    ) -> Annotated[CallToolResult, Verification]:
        """Check which sentences of a text the project's sources hold, each with a verbatim quote and its URL."""
        with _allowed(ctx, "search"):
            found = await self._threads.run(self._service.verify, text, filters=Filters(source=source))
            return _result(fitted(found, token_budget, _shorter_sentences(token_budget)))

    async def sources(
        self, ctx: Context[None], token_budget: TokenBudget = BUDGET
    ) -> Annotated[CallToolResult, Sources]:
        """List what this server knows: each source, its kind, its size and when it was last read."""
        with _allowed(ctx, "search", "ask"):
            return _result(listed(await self._threads.run(self._service.sources), token_budget, name="sources"))

    async def report_problem(
        self,
        url: Annotated[
            str, Field(max_length=4_000, validation_alias=AliasChoices("url", "id"), description="the page's URL")
        ],
        problem: Annotated[
            str, Field(min_length=1, max_length=LONGEST_QUESTION, description="what is wrong or missing, or a question")
        ],
        ctx: Context[None],
    ) -> Annotated[CallToolResult, Recorded]:
        """Report that a page is wrong or outdated, or should have answered a question; the maintainers read it."""
        with _allowed(ctx, "feedback"):
            await self._threads.run(self._service.report_problem, url, problem, by="agent")
            return _result({"recorded": True})

    async def resource(self, source: str, path: str, ctx: Context[None]) -> str:
        """Return the Markdown of a document."""
        try:
            with _allowed(ctx, "search"):
                document = await self._threads.run(self._service.document, f"{source}:{path}")
        except ToolError as error:
            missing = isinstance(error.__cause__, Missing)
            raise (ResourceNotFoundError if missing else ResourceError)(str(error)) from error
        return cut(document.markdown, MOST_BUDGET)


@contextmanager
def _allowed(ctx: Context[None], *scopes: str) -> Iterator[None]:
    """Run a tool for a client that has one of the scopes; its errors are sentences for the model.

    Over stdio there is no request, and the client is the program that started this process.
    """
    request = ctx.request_context.request
    if request is not None and request.scope["state"]["visitor"].scopes.isdisjoint(scopes):
        raise ToolError(f"This needs an API key with the scope {' or '.join(scopes)}.")
    try:
        yield
    except RagError as error:
        raise ToolError(str(error)) from error


def _result(reply: Mapping[str, Any]) -> CallToolResult:
    """Return a reply as data, and as JSON for clients that read text only."""
    text = json.dumps(reply, ensure_ascii=False)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=dict(reply))


def _found(result: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(result[key], 3) if key == "score" else result[key] for key in _SEARCH_KEYS}


def _fetched(document: Reading, start: int | None, budget: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {"source": document.source, "kind": document.kind}
    begin = document.start if start is None else start
    whole = document.markdown[begin:]
    reply = {"id": document.id, "title": document.title, "text": "", "url": document.url, "metadata": metadata}
    text = cut_json(whole, budget - tokens_of(reply) - 20)
    if text != whole:
        metadata["next_start"] = begin + len(text.removesuffix(" …"))
    return {**reply, "text": text}


def _answered(reply: Reply, budget: int) -> dict[str, Any]:
    whole = reply.to_json()
    keys = ("question", "answered", "answer", "score", "freshness", "thread")
    cited = [{key: source[key] for key in _CITED_KEYS if key in source} for source in whole["sources"]]
    shown = {**{key: whole[key] for key in keys}, "sources": cited, "id": reply.answer.id}
    return fitted(shown, budget, _shorter_answer(budget))


def _shorter_answer(budget: int) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    for most in (60, 25, 0):
        yield partial(_with_short_quotes, name="sources", most=most)
    for share in (0.6, 0.4, 0.2):
        yield partial(_with_short_text, most=int(budget * share))
    for most in (5, 2, 0):
        yield partial(_with_fewer, name="sources", most=most)


def _shorter_sentences(budget: int) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    for most in (40, 15, 0):
        yield partial(_with_short_quotes, name="sentences", most=most)
    for count in (40, 20, 10, 5, 1):
        yield partial(_with_fewer, name="sentences", most=min(count, budget // 60))


def _with_short_quotes(reply: dict[str, Any], *, name: str, most: int) -> dict[str, Any]:
    shorter = [{**one, "quote": one["quote"] and cut(one["quote"], most)} for one in reply[name]]
    return {**reply, name: shorter}


def _with_short_text(reply: dict[str, Any], *, most: int) -> dict[str, Any]:
    return {**reply, "answer": cut(reply["answer"], most), "question": cut(reply["question"], most // 4)}


def _with_fewer(reply: dict[str, Any], *, name: str, most: int) -> dict[str, Any]:
    return {**reply, name: reply[name][:most]}
