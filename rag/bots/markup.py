"""An answer in the markup of a chat. No text of a source can mention anybody there, or hide where a link leads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rag.answer.answer import Answer, Citation
from rag.text.lines import one_line
from rag.text.urls import is_web_url

__all__ = ["cut", "discord_answer", "discord_sources", "parts", "slack_answer", "slack_sources", "slack_text"]

_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\(<?([^)\s>]*)>?[^)\n]*\)")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_BULLET = re.compile(r"^([ \t]*)[*+-][ \t]+", re.MULTILINE)
_FENCE = re.compile(r"^```[^\n]*\n")
# What Discord reads as a mention, a channel, an emoji, a time or a command.
_DISCORD_MENTION = re.compile(r"<(?=[@#:/]|a:|t:|id:)")
_DISCORD_ALL = re.compile(r"@(?=everyone|here)")
_ZERO_WIDTH = "\u200b"
_LONGEST_TITLE = 150
# A fence is closed and opened again where a text is cut.
_FENCE_MARK = "```"

Show = Callable[[str], str]


def slack_text(text: str) -> str:
    """Return a text that Slack shows as it is: no mention, no link, no emphasis by tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def slack_answer(answer: Answer) -> str:
    """Return an answer as Slack's mrkdwn, its markers linked to the sources."""
    cited = {str(source.n): source for source in answer.sources}

    def marker(match: re.Match[str]) -> str:
        source = cited.get(match[1])
        return _slack_link(source, f"[{match[1]}]") if source and is_web_url(source.url) else match[0]

    def show(text: str) -> str:
        text = slack_text(_LINK.sub(r"\1", text))
        text = _HEADING.sub(r"**\1**", text)
        text = _BOLD.sub(r"*\1*", _BULLET.sub(r"\1• ", text))
        return _MARKER.sub(marker, text)

    return "".join(slack_text(_FENCE.sub("```\n", part)) if is_code else show(part) for part, is_code in _split(answer))


def slack_sources(answer: Answer) -> list[str]:
    """Return a line of mrkdwn for each source."""
    return [
        f"[{source.n}] {_slack_link(source, _title(source)) if is_web_url(source.url) else slack_text(_title(source))}"
        f" · {slack_text(source.source)}"
        for source in answer.sources
    ]


def discord_answer(answer: Answer) -> str:
    """Return an answer as Discord's Markdown, its markers linked to the sources."""
    cited = {str(source.n): source for source in answer.sources}

    def marker(match: re.Match[str]) -> str:
        source = cited.get(match[1])
        return _discord_link(f"[{match[1]}]", source) if source and is_web_url(source.url) else match[0]

    def show(text: str) -> str:
        return _MARKER.sub(marker, _discord_text(_LINK.sub(r"\1", text)))

    return "".join(_unmentioning(part) if is_code else show(part) for part, is_code in _split(answer))


def discord_sources(answer: Answer) -> list[str]:
    """Return a line of Markdown for each source."""
    found = []
    for source in answer.sources:
        title = re.sub(r"([\\`*_~|\[\]()])", r"\\\1", _discord_text(_title(source)))
        shown = _discord_link(title, source) if is_web_url(source.url) else title
        found.append(f"[{source.n}] {shown} · {_discord_text(source.source)}")
    return found


def parts(text: str, longest: int) -> list[str]:
    """Split a text between lines into parts of at most `longest` characters; code that is cut stays code."""
    found: list[str] = []
    part = ""
    is_code = False
    for line in _lines(text, longest - 2 * len(_FENCE_MARK) - 2):
        if part and len(part) + len(line) + 1 + len(_FENCE_MARK) > longest:
            found.append(f"{part}\n{_FENCE_MARK}" if is_code else part)
            part = f"{_FENCE_MARK}\n{line}" if is_code else line
        else:
            part = f"{part}\n{line}" if part else line
        is_code ^= line.count(_FENCE_MARK) % 2 == 1
    return [*found, part] if part.strip() else found


def cut(text: str, longest: int) -> str:
    """Return a text on one line, cut to at most `longest` characters."""
    line = one_line(text)
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _lines(text: str, longest: int) -> Iterator[str]:
    for line in text.split("\n"):
        while len(line) > longest:
            at = line.rfind(" ", longest // 2, longest)
            at = longest if at < 0 else at
            yield line[:at]
            line = line[at:].lstrip()
        yield line


def _split(answer: Answer) -> Iterator[tuple[str, bool]]:
    """Yield the parts of an answer's text in order, and whether each is code."""
    for place, part in enumerate(_CODE.split(answer.answer.strip())):
        yield part, place % 2 == 1


def _title(source: Citation) -> str:
    return cut(source.title, _LONGEST_TITLE) or source.url


def _slack_link(source: Citation, shown: str) -> str:
    url = slack_text(source.url).replace("|", "%7C")
    return f"<{url}|{slack_text(shown).replace('|', '¦')}>"


def _discord_text(text: str) -> str:
    """Return a text in which Discord finds no mention; the client forbids them as well."""
    return _DISCORD_MENTION.sub(r"\\<", _unmentioning(text))


def _unmentioning(text: str) -> str:
    return _DISCORD_ALL.sub(f"@{_ZERO_WIDTH}", text)


def _discord_link(shown: str, source: Citation) -> str:
    url = source.url.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E").replace(")", "%29")
    return f"[{shown}](<{url}>)"
