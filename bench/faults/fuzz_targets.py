"""What `bench.faults.fuzz` feeds with inputs: every reader, parser, filter and check of text from outside."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from rag.answer.answer import Turn
from rag.answer.written.condensing import standalone_question
from rag.bots import markup as bots
from rag.errors import RagError
from rag.llm import replies
from rag.llm.thoughts import sounds_like_thinking
from rag.llm.visible import visible, visible_lines
from rag.mcp import budget
from rag.net.hosts import host_name, is_loopback
from rag.sources.backoff import retry_after
from rag.sources.docs import urls
from rag.sources.docs.html.encoding import NotHtmlError, decode
from rag.sources.docs.pages import robots_tag
from rag.sources.docs.pages.formats import format_of, markdown_links
from rag.sources.github import rows
from rag.sources.markup import inline, shortcodes
from rag.sources.markup.notebook import NotebookError
from rag.sources.markup.rst import UnparsableError, read_rst
from rag.sources.repository import git, hosts
from rag.sources_file import read_sources
from rag.store.postgres.encoding import dump_json, is_storable, storable
from rag.text import citation_forms, languages, lines, named_versions, reports, spelling, versions
from rag.trust import urls as secret_urls
from rag.web.pages import markup as web
from tests.unit.test_growth import READERS

__all__ = ["TARGETS"]

#: Errors that a reader raises by contract: they name what cannot be read.
_EXPECTED = (RagError, NotHtmlError, NotebookError, UnparsableError, replies.ReplyError)


def _json(text: str) -> object:
    """Return a text as JSON, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _sources(text: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sources.toml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return read_sources(path)


def _stored(text: str) -> None:
    assert is_storable(storable(text))
    storable(dump_json({text: [text, _json(text)]})).encode()


def _github(text: str) -> None:
    row = {"number": 1, "title": text, "body": text, "html_url": "https://github.com/a/b/issues/1", "user": None}
    row |= {"created_at": text, "updated_at": text, "state": text, "labels": [{"name": text}, text], "comments": 1}
    rows.fixes(text, text)
    try:
        rows.thread(row)
    except (KeyError, TypeError, ValueError):
        return  # the sync reports such a row


def _html_is_safe(text: str) -> None:
    for rendered in (web.render_text(text, quote=text[:20]), web.render_draft(text)):
        assert "<script" not in rendered.lower()
        assert (
            "javascript:" not in rendered.lower().replace(text.lower(), "")
            or 'href="javascript:' not in rendered.lower()
        )


def _git(text: str) -> None:
    git.without_secrets(text)
    if web := hosts.web_address(text):
        hosts.host_of(web)
    with contextlib.suppress(ValueError):  # sources.toml is refused
        secret_urls.checked(text)
        git.split_credentials(text)


def _secret_url(text: str) -> None:
    secret_urls.shown(text)
    with contextlib.suppress(ValueError):  # says what to escape
        secret_urls.checked(text)


def _budget(text: str) -> None:
    assert budget.tokens(budget.cut(text, 100)) <= 120
    budget.cut_json(text, 100)


_EXTRA: dict[str, Callable[[str], object]] = {
    "reStructuredText": read_rst,
    "inline": lambda text: (
        inline.rewrite(text, link=lambda target: target, image=lambda target: target),
        inline.code_spans(text),
        inline.attributes(text),
        inline.link_target(text),
    ),
    "shortcodes": shortcodes.replace_shortcodes,
    "markdown_links": markdown_links,
    "charset": lambda text: decode(text.encode("utf-8", "surrogatepass"), text[:12]),
    "format_of": lambda text: format_of(text, text, text.encode("utf-8", "surrogatepass")),
    "urls": lambda text: [
        one for base in ("", "http://a.org/b/", text) for one in (urls.normalise(text, base), urls.resolved(text, base))
    ],
    "urls, parts": lambda text: (urls.twins(text), urls.file_suffix(text), urls.is_media(text)),
    "robots tag": robots_tag.directives,
    "Retry-After": retry_after,
    "git": _git,
    "URLs with secrets": _secret_url,
    "sources.toml": _sources,
    "GitHub's rows": _github,
    "model's reply": lambda text: (
        list(replies.pieces(text.splitlines())),
        list(replies.pieces(["data: " + text, "", "data: [DONE]"])),
        replies.error_text(_json(text)),
        replies.status_of(_json(text)),
    ),
    "thoughts": lambda text: (
        visible(text),
        list(visible_lines(text, at_once=True)),
        list(visible_lines([text], at_once=False)),
        sounds_like_thinking(text),
    ),
    "condensed question": lambda text: standalone_question(text, "And why?", [Turn("How?", text)]),
    "citation forms": lambda text: (citation_forms.normalized(text, [1, 2]), citation_forms.without_references(text)),
    "reports": lambda text: (
        reports.clean_title(text),
        reports.clean_body(text),
        reports.error_lines(text),
        reports.identifiers(text),
        reports.repeated_lines([text, text]),
    ),
    "versions": lambda text: (
        versions.placed(None, text, text),
        named_versions.without_versions(text, named_versions.named_versions(text, ["1.2", "3", "next"], ["name"])),
        versions.newest([text, "1"]),
        versions.covers(text, "1"),
        versions.is_older(text, "1"),
    ),
    "spelling": lambda text: (
        spelling.joined(text),
        spelling.splits(text),
        spelling.spelt("max wal", [text], text),
        spelling.distance(text, "max_wal_size", 3),
    ),
    "languages": lambda text: (languages.foreign_language(text), lines.one_line(text)),
    "web page": _html_is_safe,
    "bots": lambda text: (bots.slack_text(text), bots.parts(text, 100), bots.cut(text, 100)),
    "token budget": _budget,
    "host names": lambda text: (host_name(text), is_loopback(text)),
    "stored text": _stored,
}


def _tolerant(read: Callable[[str], object]) -> Callable[[str], object]:
    def call(text: str) -> object:
        try:
            return read(text)
        except _EXPECTED:
            return None

    return call


#: name → reads a text; raises only what is a crash
TARGETS = {name: _tolerant(read) for name, read in {**READERS, **_EXTRA}.items()}
