"""From the staged rows of a source to its issues, and the corpus over them."""

from __future__ import annotations

from collections.abc import Iterator

from rag.embedding.cache import CachedEncoder
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.store.triage import StagedIssue
from rag.text.urls import repository_of
from rag.triage.candidates.corpus import Corpus, Encode
from rag.triage.candidates.ranking import Ranker
from rag.triage.history import Declaration, History, Issue, declared, is_inactivity, seconds

__all__ = ["issue_of", "ranker_of"]

_NOT_PLANNED = "not_planned"


def ranker_of(engine: Engine, source: str) -> Ranker:
    """Return what compares the issues of a source.

    :raises ConfigurationError: no such GitHub source was synced, or it has no issues
    """
    issues = [issue_of(row) for row in engine.triage_records.issues(source)]
    if not issues:
        known = ", ".join(status.name for status in engine.operations.sources() if status.kind == "github") or "none"
        raise ConfigurationError(f"{source!r} is not a GitHub source with ingested issues; choose from: {known}.")
    corpus = Corpus(issues, _encode(engine), engine.triage_records.templates())
    return Ranker(corpus, History({issue.number: issue for issue in issues}))


def issue_of(row: StagedIssue) -> Issue:
    """Return an issue from its staged row."""
    data = row.data
    text, is_bot = row.last_comment
    abandoned = data.get("closed_at") is not None and (
        is_inactivity(data.get("labels") or (), text, is_bot=is_bot)
        or (data.get("state_reason") == _NOT_PLANNED and not row.is_answered)
    )
    return Issue(
        number=row.number,
        title=data["title"],
        body=data["body"],
        author=data["author"],
        url=data["html_url"],
        opened=seconds(data["created_at"]) or 0.0,
        closed=seconds(data.get("closed_at")),
        reason=data.get("state_reason"),
        labels=tuple(data.get("labels") or ()),
        comments=tuple(seconds(at) or 0.0 for at in row.comment_times),
        declarations=tuple(_declarations(row)),
        is_answered=row.is_answered,
        is_abandoned=abandoned,
        fixes=tuple((number, seconds(at) or 0.0) for number, at in row.fixed_by),
        mentions=frozenset(row.mentions),
        is_bot=bool(data.get("bot")),
    )


def _declarations(row: StagedIssue) -> Iterator[Declaration]:
    """Yield the declarations of a closed issue; an open one that somebody takes for a duplicate is none yet."""
    if row.data.get("closed_at") is None:
        return
    repository = repository_of(row.data["html_url"])
    for at, text in row.declaring:
        number = declared(text, repository)
        if number is not None and number != row.number:
            yield Declaration(number, seconds(at) or 0.0)


def _encode(engine: Engine) -> Encode:
    """Return the embedding of texts by the model of the active index, cached in the database."""
    model = engine.questions.active_index.embedding_model
    return CachedEncoder(engine.encoders.of(model), engine.store.embeddings).encode
