"""Generates queries from answered discussions, and from pull requests that fix issues.

Their authors have linked question and answer already, so no labelling is needed. Each query hides its own thread and
everything written after the thread was created.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urldefrag

from rag.errors import ConfigurationError
from rag.evaluate.queries import Query
from rag.operate.answer_log import AnswerLog
from rag.sources.github.rows import fixes
from rag.store.evaluations import AnsweredDiscussion, Evaluations, PullRequest
from rag.text.words import words

__all__ = ["linked", "queries_from_down_votes", "queries_from_threads", "without_numbers"]

#: In characters, as on the web page.
_LONGEST = 2000
# A query with fewer content words is too vague.
_FEWEST_WORDS = 3

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_THREAD = re.compile(r"https?://[^\s()<>]+/(?:issues|pull|discussions)/\d+(?:#[\w-]+)?|(?:[\w.-]+/[\w.-]+)?#\d+\b")
_URL = re.compile(r"https?://[^\s()<>\[\]\"'`]+(?:\([^\s()<>]*\))?")
_ISSUE = re.compile(r"(?:\bfor\s+)?\bissue\s+#", re.I)
_NUMBER = re.compile(r"(?<![\w/#&])#(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A thread that may become a query."""

    name: str
    thread: AnsweredDiscussion | PullRequest
    #: the URLs that it links as an answer or fixes; not all of them are documents of the index
    documents: Sequence[str]


def queries_from_threads(
    evaluations: Evaluations, sources: Sequence[str], *, since: datetime | None = None, until: datetime | None = None
) -> list[Query]:
    """Return queries from the threads of sources, the oldest thread first.

    The gold of a discussion is the documents that its accepted answer links to, the gold of a pull request the issues
    that it fixes; both only if they are older than the thread.

    :param since: use threads created at this time or later
    :param until: use threads created before this time
    :raises ConfigurationError: no thread gives a query
    """
    candidates: list[_Candidate] = []
    for source in sources:
        candidates += _of_discussions(source, evaluations.answered_discussions(source))
        candidates += _of_pulls(source, evaluations.pulls_naming_threads(source))
    wanted = [
        query
        for query in sorted(_queries(evaluations, candidates), key=lambda query: (_begun(query), query.id))
        if (since is None or _begun(query) >= since) and (until is None or _begun(query) < until)
    ]
    if not wanted:
        raise ConfigurationError(
            f"No thread of {', '.join(sources) or 'any source'} can become a query. Queries come from discussions "
            "whose accepted answer links to a document, and from pull requests that fix issues; add both kinds to the "
            "source's include."
        )
    return wanted


def queries_from_down_votes(answer_log: AnswerLog) -> list[Query]:
    """Return a query for each down-voted answer, whose gold is the page that the reader named, or unknown.

    Each reported problem is a query too, whose gold is the page that it is about.

    :raises ConfigurationError: there is neither
    """
    voted, reported = answer_log.down_voted(), answer_log.problems()
    if not voted and not reported:
        raise ConfigurationError("No logged answer has a thumb down.")
    return [
        Query(f"answer-{one.answer.id}", one.answer.question, (one.better_page,) if one.better_page else None)
        for one in voted
    ] + [Query(f"report-{one.id}", one.problem, (one.url,)) for one in reported]


def _of_discussions(source: str, discussions: Sequence[AnsweredDiscussion]) -> Iterator[_Candidate]:
    for one in discussions:
        yield _Candidate(f"{source}:discussions/{one.number}", one, linked(one.answer, one.url))


def _of_pulls(source: str, pulls: Sequence[PullRequest]) -> Iterator[_Candidate]:
    for one in pulls:
        site = one.url.partition("/pull/")[0]
        # Authors also write "fixes #12" into titles and "fixes issue #12", neither of which GitHub recognises.
        said = _ISSUE.sub("#", f"{one.title}\n{one.body}")
        yield _Candidate(
            f"{source}:pulls/{one.number}", one, [f"{site}/issues/{number}" for number in fixes(said, one.url)]
        )


def _queries(evaluations: Evaluations, candidates: Sequence[_Candidate]) -> Iterator[Query]:
    """Yield a query for each thread; its gold is those of its documents that are in the index and older."""
    begun = evaluations.documents_by_url({url for candidate in candidates for url in candidate.documents})
    for candidate in candidates:
        thread = candidate.thread
        gold = [url for url in candidate.documents if url in begun and url != thread.url]
        gold = [url for url in gold if begun[url] is None or _time(str(begun[url])) < _time(thread.created_at)]
        text = without_numbers(f"{thread.title}\n{_COMMENT.sub('', thread.body)}")[:_LONGEST].strip()
        if gold and len(words(text)) >= _FEWEST_WORDS:
            yield Query(candidate.name, text, tuple(gold), hide=(thread.url,), before=_time(thread.created_at))


def without_numbers(text: str) -> str:
    """Return the text without numbers and URLs of threads, which would give the answer away."""
    return _THREAD.sub("", text)


def linked(text: str, url: str) -> list[str]:
    """Return the URLs that a text links to, in order, each with and without a trailing slash.

    :param url: of the thread with the text; `#12` is a thread of the same repository
    """
    site = re.sub(r"/(?:issues|pull|discussions)/\d+.*$", "", url)
    found: dict[str, None] = {}
    for match in re.finditer(f"{_URL.pattern}|{_NUMBER.pattern}", _COMMENT.sub("", text)):
        if match[1]:
            spellings = [f"{site}/{kind}/{match[1]}" for kind in ("issues", "pull", "discussions")]
        else:
            bare = urldefrag(match[0].rstrip(".,;:!?*_")).url
            spellings = [bare, bare.removesuffix("/") if bare.endswith("/") else f"{bare}/"]
        found.update(dict.fromkeys(spellings))
    return list(found)


def _begun(query: Query) -> datetime:
    assert query.before
    return query.before


def _time(iso: str) -> datetime:
    time = datetime.fromisoformat(iso)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
