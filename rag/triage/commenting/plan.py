"""The plan: the fixed form in which the step that reads strangers' text hands its findings to the step that writes.

It has no field for a stranger's words: threads are numbers, and GitHub shows their titles itself. Whatever else a
reading process prints is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.text.urls import is_web_url
from rag.triage.verdict import MOST_LINKS, Verdict

__all__ = ["MARKER", "Link", "Page", "Plan", "Planned", "comment_body", "planned"]

#: The first line of every comment of this program, which GitHub does not show.
MARKER = "<!-- support-engine: similar issues -->"

_LONGEST_TITLE = 120
Number = Annotated[int, Field(ge=1, le=10**9)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Link(_Form):
    """A thread that is the same problem."""

    number: Number
    role: Literal["open", "fixed", "answered"]
    fixed_by: Number | None = None
    fixed_in: Annotated[str, Field(pattern=r"^[\w.+/-]{1,60}$")] | None = None


class Page(_Form):
    """A page of the documentation that answers the issue."""

    url: Annotated[str, Field(max_length=500)]
    title: Annotated[str, Field(max_length=_LONGEST_TITLE)]

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not is_web_url(value) or any(character in value for character in "<>()[]` "):
            raise ValueError("is not a plain http:// or https:// URL")
        return value


class Planned(_Form):
    """What to say on one issue; without links and page, nothing."""

    number: Number
    links: Annotated[tuple[Link, ...], Field(max_length=MOST_LINKS)] = ()
    page: Page | None = None


class Plan(_Form):
    """What a reading process found."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    issues: tuple[Planned, ...]


def planned(verdict: Verdict, page: Page | None) -> Planned:
    """Return what to say on the issue of a verdict."""
    assert verdict.number is not None
    links = tuple(
        Link(number=one.number, role=one.role, fixed_by=one.fixed_by, fixed_in=_tag(one.fixed_in))
        for one in verdict.links
        if one.role != "closed"
    )
    return Planned(number=verdict.number, links=links, page=page)


def comment_body(plan: Planned) -> str | None:
    """Return the comment that a plan asks for; None if it has nothing to say."""
    if not plan.links and plan.page is None:
        return None
    lines = [MARKER]
    if plan.links:
        lines += ["This may have been reported before:", "", *map(_line, plan.links), ""]
    if plan.page:
        lines += [f"The documentation may answer it: [{_escaped(plan.page.title)}]({plan.page.url})", ""]
    lines.append(
        "<sub>Written by a machine that compares issues; it may be wrong, and it closes nothing. If it does not help, "
        "the author of the issue can react with 👎, and this comment is deleted.</sub>"
    )
    return "\n".join(lines)


def _line(link: Link) -> str:
    if link.role == "fixed":
        release = f", released in {link.fixed_in}" if link.fixed_in else ""
        return f"- #{link.number}, fixed by #{link.fixed_by}{release}" if link.fixed_by else f"- #{link.number}, fixed"
    return f"- #{link.number}" + (", closed with an answer" if link.role == "answered" else "")


def _tag(name: str | None) -> str | None:
    """Return a release's name if it can be written as it is."""
    return name if name and all(one.isalnum() or one in "._+/-" for one in name) and len(name) <= 60 else None


def _escaped(title: str) -> str:
    """Return a title in which nothing is Markdown, a mention or a reference."""
    kept = "".join(one if one.isalnum() or one in " .,:;'-/" else " " for one in title)
    return " ".join(kept.split()) or "this page"
