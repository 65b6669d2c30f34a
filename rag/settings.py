"""Settings from the environment or a .env file, and the sources from sources.toml."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rag.errors import ConfigurationError

__all__ = ["DocsConfig", "GitHubConfig", "RepositoryConfig", "Settings", "SourceConfig", "load_settings"]

#: Where Docker and Kubernetes put secrets: a file each, called as its setting.
SECRETS = Path("/run/secrets")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
GitHubKind = Literal["issues", "discussions", "pulls"]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    return value


class DocsConfig(_Table):
    """A `[[docs]]` table: the pages of one docs site, under the folder of its start URL."""

    kind: Literal["docs"] = "docs"
    name: Name
    url: str
    sitemap: str | None = None
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    max_pages: Annotated[int, Field(ge=1)] = 5000
    delay: Annotated[float, Field(ge=0, description="seconds between two requests")] = 0.0

    @field_validator("url", "sitemap")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return value if value is None else _http_url(value)


class RepositoryConfig(_Table):
    """A `[[repository]]` table: Markdown files of a git repository."""

    kind: Literal["repository"] = "repository"
    name: Name
    url: Annotated[str, Field(min_length=1)]
    paths: tuple[str, ...] = ("docs/**/*.md", "docs/**/*.mdx", "README.md")


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


class Settings(BaseSettings):
    """Every setting; a field's alias is the name of its environment variable."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("support-engine"), validation_alias="RAG_HOME"
    )
    database_url: SecretStr | None = Field(None, validation_alias="RAG_DATABASE_URL")
    sources_path: Path = Field(Path("sources.toml"), validation_alias="RAG_SOURCES")
    embedding_model: str = Field("local/all-MiniLM-L6-v2", validation_alias="RAG_EMBEDDING_MODEL")
    llm_setting: str | None = Field(None, validation_alias="RAG_LLM")
    response_mode: Literal["compact", "tree_summarize", "refine"] = Field(
        "compact", validation_alias="RAG_RESPONSE_MODE"
    )
    context_window: Annotated[int, Field(ge=1024)] | None = Field(None, validation_alias="RAG_CONTEXT_WINDOW")
    github_token: SecretStr | None = Field(None, validation_alias="GITHUB_TOKEN")
    github_api_url: str = Field("https://api.github.com", validation_alias="RAG_GITHUB_API_URL")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    alert_webhook: SecretStr | None = Field(None, validation_alias="RAG_ALERT_WEBHOOK")
    alert_failures: int = Field(3, ge=1, validation_alias="RAG_ALERT_FAILURES")
    run_on: str = Field("threads", validation_alias="RAG_RUN_ON")
    llm_price: Annotated[tuple[Dollars, Dollars] | None, NoDecode] = Field(None, validation_alias="RAG_LLM_PRICE")
    reranker: str | None = Field(None, validation_alias="RAG_RERANKER")
    log_answers: bool = Field(True, validation_alias="RAG_LOG_ANSWERS")
    log_days: Annotated[int, Field(ge=1, le=3650)] = Field(90, validation_alias="RAG_LOG_DAYS")
    evaluation: Path | None = Field(None, validation_alias="RAG_EVALUATION")

    @field_validator("llm_price", mode="before")
    @classmethod
    def _two_prices(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        prices = value.replace(",", " ").split()
        if len(prices) != 2:
            raise ValueError(f"{value!r} is not two prices: US dollars for a million tokens read, and written")
        return prices

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("embedding_model")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        provider, _, name = value.partition("/")
        if value != "local/all-MiniLM-L6-v2" and (provider not in ("openai", "ollama") or not name):
            raise ValueError(f"{value!r} is none of local/all-MiniLM-L6-v2, openai/NAME and ollama/NAME")
        return value

    @field_validator("github_api_url")
    @classmethod
    def _absolute_url(cls, value: str) -> str:
        return _http_url(value).rstrip("/")

    @field_validator("run_on")
    @classmethod
    def _known_workers(cls, value: str) -> str:
        if value not in ("threads", "workers", "dask") and not value.startswith(("dask:tcp://", "dask:tls://")):
            raise ValueError(f"unknown value {value!r}; choose from threads, workers, dask and dask:tcp://HOST:PORT")
        return value

    @field_validator("alert_webhook")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _http_url(value.get_secret_value())
        return value

    @property
    def llm(self) -> str:
        """The language model: as set, else OpenAI's where there is a key, else none ("extractive")."""
        return self.llm_setting or ("openai/gpt-4o-mini" if self.openai_api_key else "extractive")

    @cached_property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The configured sources, in the order of the file's kinds.

        :raises ConfigurationError: the file is missing, is no TOML, or has a wrong table
        """
        return _read_sources(self.sources_path)

    def masked(self) -> dict[str, Any]:
        """Return every setting by its environment name, secrets masked."""
        return {
            "RAG_HOME": str(self.home),
            "RAG_DATABASE_URL": _mask_url(self.database_url),
            "RAG_SOURCES": str(self.sources_path),
            "RAG_EMBEDDING_MODEL": self.embedding_model,
            "RAG_LLM": self.llm,
            "RAG_RESPONSE_MODE": self.response_mode,
            "RAG_CONTEXT_WINDOW": self.context_window,
            "GITHUB_TOKEN": _mask(self.github_token),
            "RAG_GITHUB_API_URL": self.github_api_url,
            "OPENAI_API_KEY": _mask(self.openai_api_key),
            "OPENAI_BASE_URL": self.openai_base_url,
            "RAG_RERANKER": self.reranker,
            "RAG_LLM_PRICE": " ".join(f"{price:g}" for price in self.llm_price) if self.llm_price else None,
            "RAG_LOG_ANSWERS": self.log_answers,
            "RAG_LOG_DAYS": self.log_days,
            "RAG_EVALUATION": str(self.evaluation) if self.evaluation else None,
            "RAG_ALERT_WEBHOOK": _mask(self.alert_webhook),
            "RAG_ALERT_FAILURES": self.alert_failures,
            "RAG_RUN_ON": self.run_on,
        }


class _RemovedSettings(BaseSettings):
    """Settings of earlier versions. A leftover is an error, because ignoring it would silently move the work."""

    model_config = Settings.model_config

    embed_on: str | None = Field(None, validation_alias="RAG_EMBED_ON")
    backfill_on: str | None = Field(None, validation_alias="RAG_BACKFILL_ON")

    @field_validator("embed_on", "backfill_on")
    @classmethod
    def _replaced(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("this setting was removed; set RAG_RUN_ON instead, which takes the same values")
        return value


def load_settings() -> Settings:
    """Read the settings from the environment and .env, and from files of their names where containers have secrets.

    :raises ConfigurationError: a value is not what its setting takes
    """
    try:
        _RemovedSettings()
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        raise ConfigurationError(_first_problem(error)) from error


def _read_sources(path: Path) -> tuple[SourceConfig, ...]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no sources file at {path}. Copy sources.example.toml there, or set RAG_SOURCES."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    try:
        return _Sources.model_validate(table).all
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_first_problem(error, table)}") from error


def _first_problem(error: ValidationError, table: dict[str, Any] | None = None) -> str:
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    place = problem["loc"]
    if not place:
        return f"{message}."
    if table is not None and len(place) > 1 and isinstance(place[1], int):
        name = _name_of(table, str(place[0]), place[1])
        key = ".".join(str(part) for part in place[2:])
        if problem["type"] == "extra_forbidden":
            message = "is not a key of this table"
        elif problem["type"] == "missing":
            message = "is required"
        return f"[[{place[0]}]] {name}: {key}: {message}."
    where = ".".join(str(part) for part in place)
    if problem["type"] == "extra_forbidden":
        return f"[[{where}]] is not a kind of source; the kinds are [[github]], [[docs]] and [[repository]]."
    return f"{where}: {message}."


def _name_of(table: dict[str, Any], kind: str, position: int) -> str:
    entry = table[kind][position]
    name = entry.get("name") if isinstance(entry, dict) else None
    return repr(name) if name else f"number {position + 1}"


def _mask(secret: SecretStr | None) -> str | None:
    return None if secret is None else "********"


def _mask_url(secret: SecretStr | None) -> str | None:
    if secret is None:
        return None
    url = secret.get_secret_value()
    password = urlsplit(url).password if "://" in url else None
    if "://" not in url:
        return "********"
    return url.replace(f":{password}@", ":********@") if password else url
