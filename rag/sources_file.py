"""sources.toml: the sources that are synced, one table each, and sentences for what is wrong in it."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rag.errors import ConfigurationError, reason_of
from rag.text.refusals import refusal
from rag.text.versions import PLACEHOLDER
from rag.trust.urls import SecretUrl, checked

__all__ = [
    "DocsConfig",
    "GitHubConfig",
    "RepositoryConfig",
    "SourceConfig",
    "first_problem",
    "http_url",
    "read_sources",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
#: A version, or a URL pattern with {version}.
VersionOf = Annotated[str, Field(min_length=1, max_length=500)]
GitHubKind = Literal["issues", "discussions", "pulls"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GitHubConfig(_Table):
    """A `[[github]]` table: the threads of one repository."""

    kind: Literal["github"] = "github"
    name: Name
    repo: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    include: tuple[GitHubKind, ...] = ("issues", "discussions")
    since: datetime | None = None

    @field_validator("since", mode="before")
    @classmethod
    def _midnight_utc(cls, value: object) -> object:
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value


def http_url(value: str) -> str:
    """Return an absolute http or https URL; a ValueError says what is wrong, without the URL."""
    try:
        parts = urlsplit(checked(value))
        is_absolute = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError as error:
        # The parser's own message shows a part of the URL, with its password.
        raise ValueError(str(error) if "escape" in str(error) else "is not a valid URL") from None
    if not is_absolute:
        raise ValueError("must be an absolute http:// or https:// URL")
    return value


def version_setting(value: str) -> str:
    """Return a version, or a URL pattern with {version} in one place; a ValueError says what is wrong."""
    if "{" in value or "/" in value:
        if value.count(PLACEHOLDER) != 1:
            raise ValueError(f"must be a version such as 15, or a URL pattern with {PLACEHOLDER} in one place")
    elif not value.isprintable() or " " in value:
        raise ValueError("must be a version such as 15, without spaces")
    return value


class DocsConfig(_Table):
    """A `[[docs]]` table: the pages of one docs site, under the folder of its start URL."""

    kind: Literal["docs"] = "docs"
    name: Name
    url: SecretUrl
    sitemap: SecretUrl | None = None
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    max_pages: Annotated[int, Field(ge=1)] = 5000
    delay: Annotated[float, Field(ge=0, description="seconds between two requests")] = 0.0
    version: VersionOf | None = None

    @field_validator("version")
    @classmethod
    def _one_version(cls, value: str | None) -> str | None:
        return value if value is None else version_setting(value)

    @field_validator("url", "sitemap")
    @classmethod
    def _absolute(cls, value: SecretUrl | None) -> SecretUrl | None:
        if value is not None:
            http_url(value)
        return value


class RepositoryConfig(_Table):
    """A `[[repository]]` table: Markdown files of a git repository."""

    kind: Literal["repository"] = "repository"
    name: Name
    url: Annotated[SecretUrl, Field(min_length=1)]
    paths: tuple[str, ...] = ("docs/**/*.md", "docs/**/*.mdx", "README.md")
    version: VersionOf | None = None

    @field_validator("version")
    @classmethod
    def _one_version(cls, value: str | None) -> str | None:
        return value if value is None else version_setting(value)

    @field_validator("url")
    @classmethod
    def _readable(cls, value: SecretUrl) -> SecretUrl:
        checked(value)
        return value


SourceConfig = GitHubConfig | DocsConfig | RepositoryConfig


class _Sources(_Table):
    github: tuple[GitHubConfig, ...] = ()
    docs: tuple[DocsConfig, ...] = ()
    repository: tuple[RepositoryConfig, ...] = ()

    @property
    def all(self) -> tuple[SourceConfig, ...]:
        return (*self.github, *self.docs, *self.repository)

    @model_validator(mode="after")
    def _unique_names(self) -> _Sources:
        names = [source.name for source in self.all]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called {name!r}; a name must be unique over all sources")
        return self


def read_sources(path: Path) -> tuple[SourceConfig, ...]:
    """Read the sources.

    :raises ConfigurationError: the file is missing, cannot be read, or has a wrong table
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no sources file at {path}. Copy sources.example.toml there, or set RAG_SOURCES."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}.") from error
    try:
        return _Sources.model_validate(table).all
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_problem(error, table)}") from error


def first_problem(error: ValidationError, table: dict[str, Any] | None = None) -> str:
    """Return a sentence about the first problem of settings, or of the tables of sources.toml."""
    problem = error.errors(include_url=False)[0]
    message = refusal(problem)
    place = problem["loc"]
    if not place:
        return f"{message}."
    if table is not None and len(place) > 1 and isinstance(place[1], int):
        name = _name_of(table, str(place[0]), place[1])
        key = ".".join(str(part) for part in place[2:])
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
        elif problem["type"] == "missing":
            message = "is required"
        return f"[[{place[0]}]] {name}: {key}: {message}."
    where = ".".join(str(part) for part in place)
    if problem["type"] == "extra_forbidden":
        return f"Unknown table [[{where}]]; choose from [[github]], [[docs]], [[repository]]."
    return f"{where}: {message}."


def _name_of(table: dict[str, Any], kind: str, position: int) -> str:
    entry = table[kind][position]
    name = entry.get("name") if isinstance(entry, dict) else None
    return repr(name) if name else f"number {position + 1}"
