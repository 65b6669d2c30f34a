"""Answers in the markup of a chat, which mention nobody and hide no link."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from rag.answer.answer import Answer, Citation
from rag.bots.bot import channels_of
from rag.bots.markup import discord_answer, discord_sources, parts, slack_answer, slack_sources
from rag.errors import ConfigurationError
from rag.store.filters import Filters

SOURCE = Citation(1, "https://example.org/a(b)?x=1&y=2", "A <page> | [b]", "docs", "page", 0.9, "quote")
ANSWER = Answer("?", True, "", (SOURCE,), "m", "extractive")


def slack(text: str) -> str:
    return slack_answer(replace(ANSWER, answer=text))


def discord(text: str) -> str:
    return discord_answer(replace(ANSWER, answer=text))


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("Use **pg_dump** here.", "Use *pg_dump* here."),
        ("## One database", "*One database*"),
        ("- first\n- second", "• first\n• second"),
        ("`a < b && c`", "`a &lt; b &amp;&amp; c`"),
        ("```sh\nls -l > out\n```", "```\nls -l &gt; out\n```"),
        ("Say so. [1]", "Say so. <https://example.org/a(b)?x=1&amp;y=2|[1]>"),
        ("Not a source [7].", "Not a source [7]."),
        ("[click](https://evil.example)", "click"),
        (
            "<!channel> <@U1> <https://evil.example|safe>",
            "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|safe&gt;",
        ),
        ("`<!channel>`", "`&lt;!channel&gt;`"),
    ],
)
def test_slack(markdown: str, mrkdwn: str) -> None:
    assert slack(markdown) == mrkdwn


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Use **pg_dump**.", "Use **pg_dump**."),
        ("Say so. [1]", "Say so. [[1]](<https://example.org/a(b%29?x=1&y=2>)"),
        ("[click](https://evil.example)", "click"),
        ("@everyone and @here", "@\u200beveryone and @\u200bhere"),
        ("<@123> <@&4> <#5> a < b", "\\<@123> \\<@&4> \\<#5> a < b"),
        ("```\n@everyone\n```", "```\n@\u200beveryone\n```"),
    ],
)
def test_discord(markdown: str, shown: str) -> None:
    assert discord(markdown) == shown


def test_titles_of_sources_are_text() -> None:
    assert slack_sources(ANSWER) == ["[1] <https://example.org/a(b)?x=1&amp;y=2|A &lt;page&gt; ¦ [b]> · docs"]
    assert discord_sources(ANSWER) == [r"[1] [A <page> \| \[b\]](<https://example.org/a(b%29?x=1&y=2>) · docs"]


def test_a_source_without_a_web_address_is_no_link() -> None:
    local = replace(ANSWER, sources=(replace(SOURCE, url="file:///home/a.md", title="a"),))
    assert (slack_sources(local), discord_sources(local)) == (["[1] a · docs"], ["[1] a · docs"])


def test_a_long_text_is_cut_between_lines_and_code_stays_code() -> None:
    text = "first line\n```\n" + "\n".join(f"code {n}" for n in range(40)) + "\n```\nlast line " + "x" * 300
    found = parts(text, 120)
    assert all(len(part) <= 120 for part in found)
    assert all(part.count("```") % 2 == 0 for part in found)
    assert "".join("".join(found).split()).replace("```", "") == "".join(text.split()).replace("```", "")


def test_channels_have_filters() -> None:
    assert channels_of(["C1 source=docs since=2026-01-31", "dm", "*"]) == {
        "C1": Filters(source="docs", since=date(2026, 1, 31)),
        "dm": Filters(),
        "*": Filters(),
    }


@pytest.mark.parametrize("entry", ["C1 colour=red", "C1 source", "C1 since=yesterday", "C1 editions=1"])
def test_a_wrong_channel_setting_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="RAG_CHAT_CHANNELS"):
        channels_of([entry])
