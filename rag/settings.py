"""Settings from the environment or a .env file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rag.errors import ConfigurationError
from rag.sources_file import (
    DocsConfig,
    GitHubConfig,
    RepositoryConfig,
    SourceConfig,
    first_problem,
    http_url,
    read_sources,
)
from rag.trust.urls import DatabaseUrl, SecretUrl, checked, shown

__all__ = ["DocsConfig", "GitHubConfig", "RepositoryConfig", "Setting", "Settings", "SourceConfig", "load_settings"]

#: The folder of Docker's and Kubernetes' secrets: each is a file with the name of its setting.
SECRETS = Path("/run/secrets")
_MASK = "********"

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class _DefaultText:
    """How a default is described where it is computed, or where its absence has a meaning."""

    text: str


class Setting(NamedTuple):
    """The declaration of a setting, as `-h`, .env.example and docs/configure.md show it."""

    #: of the environment variable
    name: str
    default: str
    #: one line of Markdown, without links
    description: str
    is_secret: bool


class Settings(BaseSettings):
    """Every setting: a field's alias is its environment variable, and a secret's type is `SecretStr`.

    A setting is declared here only: `-h` and `rag.status` read the fields, and tests compare .env.example and
    docs/configure.md with them.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Annotated[Path, _DefaultText("the platform's user data folder")] = Field(
        default_factory=lambda: platformdirs.user_data_path("support-engine"),
        validation_alias="RAG_HOME",
        description="the folder of the embedded Postgres, models and clones",
    )
    database_url: Annotated[DatabaseUrl | None, _DefaultText("the embedded Postgres")] = Field(
        None, validation_alias="RAG_DATABASE_URL", description="the URL of a Postgres with pgvector"
    )
    sources_path: Path = Field(Path("sources.toml"), validation_alias="RAG_SOURCES", description="the sources file")
    embedding_model: str = Field(
        "local/all-MiniLM-L6-v2",
        validation_alias="RAG_EMBEDDING_MODEL",
        description="the embedding model: `local/all-MiniLM-L6-v2`, `openai/NAME`, `ollama/NAME`, `local:FOLDER` or "
        "`hf:NAME`",
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="the key for OpenAI or the server of OPENAI_BASE_URL"
    )
    openai_base_url: SecretUrl | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="the URL of any server that speaks the OpenAI API"
    )
    llm: Annotated[str, _DefaultText("openai/gpt-4o-mini if OPENAI_API_KEY is set, else extractive")] = Field(
        default_factory=lambda known: "openai/gpt-4o-mini" if known.get("openai_api_key") else "extractive",
        validation_alias="RAG_LLM",
        description="the language model: `openai/NAME` or `ollama/NAME`; `extractive` answers with quotes",
    )
    llm_price: Annotated[tuple[Dollars, Dollars] | None, NoDecode] = Field(
        None,
        validation_alias="RAG_LLM_PRICE",
        description="US dollars for a million input tokens and for a million output tokens, such as `0.15 0.60`",
    )
    response_mode: Literal["compact", "tree_summarize", "refine"] = Field(
        "compact",
        validation_alias="RAG_RESPONSE_MODE",
        description="how a language model receives the chunks: `compact`, `tree_summarize` or `refine`",
    )
    context_window: Annotated[
        Annotated[int, Field(ge=1024)] | None, _DefaultText("the window of the model if known, else 8192")
    ] = Field(
        None,
        validation_alias="RAG_CONTEXT_WINDOW",
        description="the maximum number of tokens in the language model's prompt and answer together, at least 1024",
    )
    llm_timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0,
        validation_alias="RAG_LLM_TIMEOUT",
        description="the seconds to wait for a reply of the language model, at most 3600",
    )
    reranker: str | None = Field(
        None,
        validation_alias="RAG_RERANKER",
        description="re-ranks the best results: `llm`, `local:FOLDER` or `hf:NAME` of a cross-encoder, or a name for "
        "sentence-transformers",
    )
    github_token: SecretStr | None = Field(
        None,
        validation_alias="GITHUB_TOKEN",
        description="raises GitHub's rate limit; required for discussions and private repositories",
    )
    github_api_url: SecretUrl = Field(
        SecretUrl("https://api.github.com"),
        validation_alias="RAG_GITHUB_API_URL",
        description="the URL of GitHub's API; `https://HOST/api/v3` for GitHub Enterprise Server",
    )
    log_answers: bool = Field(
        True, validation_alias="RAG_LOG_ANSWERS", description="whether questions and answers are logged"
    )
    log_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        90, validation_alias="RAG_LOG_DAYS", description="the number of days that logged answers are kept, 1 to 3650"
    )
    evaluation: Path | None = Field(
        None,
        validation_alias="RAG_EVALUATION",
        description="the query file that `flows.serve` evaluates every day",
    )
    triage_comments: bool = Field(
        False,
        validation_alias="RAG_TRIAGE_COMMENTS",
        description="whether triage comments on issues that are opened after you enable it",
    )
    triage_token: Annotated[SecretStr | None, _DefaultText("GITHUB_TOKEN")] = Field(
        None, validation_alias="RAG_TRIAGE_TOKEN", description="the token with which triage writes comments"
    )
    triage_precision: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8,
        validation_alias="RAG_TRIAGE_PRECISION",
        description="the minimum precision, measured on the repository's history, for comments of triage",
    )
    alert_webhook: Annotated[SecretStr | None, _DefaultText("no alerts")] = Field(
        None, validation_alias="RAG_ALERT_WEBHOOK", description="the URL of a Slack-compatible webhook for alerts"
    )
    alert_failures: int = Field(
        3,
        ge=1,
        validation_alias="RAG_ALERT_FAILURES",
        description="the number of failed runs in a row that causes an alert",
    )
    web_hosts: Annotated[
        tuple[str, ...], NoDecode, _DefaultText("this machine's names, and the address that the client connected to")
    ] = Field(
        (), validation_alias="RAG_WEB_HOSTS", description="further host names under which clients reach `rag.web`"
    )
    web_origins: Annotated[tuple[str, ...], NoDecode, _DefaultText("the origin of rag.web")] = Field(
        (),
        validation_alias="RAG_WEB_ORIGINS",
        description="the origins whose pages may use the API of `rag.web`, such as `https://docs.example.org`",
    )
    web_public: bool = Field(
        False,
        validation_alias="RAG_WEB_PUBLIC",
        description="whether clients on other machines may ask and search without a key",
    )
    web_rate: Annotated[int, Field(ge=0)] = Field(
        60,
        validation_alias="RAG_WEB_RATE",
        description="the requests per minute that `rag.web` accepts from one key or address; 0 for no limit",
    )
    web_title: str = Field(
        "Ask the sources", validation_alias="RAG_WEB_TITLE", description="the title of the web page and of the widget"
    )
    web_examples: Annotated[tuple[str, ...], NoDecode, _DefaultText("unset")] = Field(
        (),
        validation_alias="RAG_WEB_EXAMPLES",
        description="example questions on the web page and in the widget, separated by `|`",
    )
    web_color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = Field(
        "#1f5f8b", validation_alias="RAG_WEB_COLOR", description="the colour of the web page's buttons, as `#rrggbb`"
    )
    web_logo: Path | None = Field(
        None, validation_alias="RAG_WEB_LOGO", description="an image file to show beside the title of the web page"
    )
    web_notice: str = Field(
        "Answers are written by a machine from the sources they cite. Questions are stored to improve the answers.",
        validation_alias="RAG_WEB_NOTICE",
        description="the notice on the web page and in the widget about answers and stored data",
    )
    slack_bot_token: SecretStr | None = Field(
        None, validation_alias="RAG_SLACK_BOT_TOKEN", description="the bot token of `rag.slack`: `xoxb-…`"
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias="RAG_SLACK_APP_TOKEN",
        description="the app-level token of `rag.slack`, for socket mode: `xapp-…`",
    )
    discord_token: SecretStr | None = Field(
        None, validation_alias="RAG_DISCORD_TOKEN", description="the bot token of `rag.discord`"
    )
    chat_channels: Annotated[tuple[str, ...], NoDecode, _DefaultText("all, from all sources")] = Field(
        (),
        validation_alias="RAG_CHAT_CHANNELS",
        description="the channels in which `rag.slack` and `rag.discord` answer, with filters, separated by `;`: "
        "`C024BE91L source=docs kind=page; *`",
    )
    chat_unanswered: bool = Field(
        False,
        validation_alias="RAG_CHAT_UNANSWERED",
        description="whether `rag.slack` and `rag.discord` reply if the sources do not answer a question",
    )
    chat_ephemeral: bool = Field(
        False,
        validation_alias="RAG_CHAT_EPHEMERAL",
        description="whether only the asker sees the answers of `rag.slack`, and the answers to slash commands of "
        "`rag.discord`",
    )
    run_on: str = Field(
        "threads",
        validation_alias="RAG_RUN_ON",
        description="where backfill windows and embedding batches run: `threads` of the command, Prefect `workers`, "
        "`dask` or `dask:tcp://HOST:PORT`",
    )

    @field_validator("llm_price", mode="before")
    @classmethod
    def _two_prices(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        prices = value.replace(",", " ").split()
        if len(prices) != 2:
            raise ValueError(
                f"{value!r} is not two prices (US dollars for a million input tokens and for a million output tokens)"
            )
        return prices

    @field_validator("web_hosts", "web_origins", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("chat_channels", mode="before")
    @classmethod
    def _channels(cls, value: object) -> object:
        parts = value.split(";") if isinstance(value, str) else None
        return value if parts is None else tuple(" ".join(part.split()) for part in parts if part.strip())

    @field_validator("web_examples", mode="before")
    @classmethod
    def _questions(cls, value: object) -> object:
        # A comma separates questions only after a question mark: most questions with a comma have it elsewhere.
        parts = re.split(r"[|\n]|(?<=\?)\s*,", value) if isinstance(value, str) else None
        return value if parts is None else tuple(part.strip() for part in parts if part.strip())

    @field_validator("web_hosts")
    @classmethod
    def _names_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if "/" in name or not name.isprintable():
                raise ValueError(f"{name!r} is not a host name such as support.example.org")
        return value

    @field_validator("web_origins")
    @classmethod
    def _origins_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and http_url(origin) and urlsplit(origin).path:
                raise ValueError(f"{origin!r} is not an origin such as https://docs.example.org, without a path")
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("embedding_model")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        is_file = value.startswith(("local:", "hf:")) and not value.endswith(":")
        provider, _, name = value.partition("/")
        if value != "local/all-MiniLM-L6-v2" and not is_file and (provider not in ("openai", "ollama") or not name):
            raise ValueError(
                f"unknown model {value!r}; choose from local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME, local:FOLDER, "
                "hf:NAME"
            )
        return value

    @field_validator("github_api_url")
    @classmethod
    def _absolute_url(cls, value: SecretUrl) -> SecretUrl:
        return SecretUrl(http_url(value).rstrip("/"))

    @field_validator("openai_base_url")
    @classmethod
    def _readable_url(cls, value: SecretUrl | None) -> SecretUrl | None:
        if value is not None:
            checked(value)
        return value

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
            http_url(value.get_secret_value())
        return value

    @property
    def openai_key(self) -> str | None:
        """OPENAI_API_KEY in the clear."""
        return self.openai_api_key.get_secret_value() if self.openai_api_key else None

    @property
    def github_key(self) -> str | None:
        """GITHUB_TOKEN in the clear."""
        return self.github_token.get_secret_value() if self.github_token else None

    @cached_property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The configured sources, in the order of the file's kinds.

        :raises ConfigurationError: the file is missing or not TOML, or a table in it is invalid
        """
        return read_sources(self.sources_path)

    @classmethod
    def declared(cls) -> list[Setting]:
        """Return the declaration of every setting, in the order of the fields."""
        return [
            Setting(str(field.validation_alias), _default_text(field), field.description or "", _is_secret(field))
            for field in cls.model_fields.values()
        ]

    def masked(self) -> dict[str, Any]:
        """Return every setting in force by the name of its variable, JSON values only, secrets masked."""
        return {
            str(field.validation_alias): _shown(getattr(self, name)) for name, field in type(self).model_fields.items()
        }


def load_settings() -> Settings:
    """Read the settings from the environment, .env and the files in `SECRETS`; the first to name a setting wins.

    :raises ConfigurationError: the value of a setting is invalid
    """
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        raise ConfigurationError(first_problem(error)) from error


def _default_text(field: FieldInfo) -> str:
    described = next((mark.text for mark in field.metadata if isinstance(mark, _DefaultText)), None)
    if described is not None:
        return described
    value = _shown(field.default)
    return "unset" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _is_secret(field: FieldInfo) -> bool:
    types = (field.annotation, *get_args(field.annotation))
    return any(isinstance(part, type) and issubclass(part, SecretStr) for part in types)


def _shown(value: object) -> object:
    """Return a value as JSON has it, masked if it is a secret."""
    match value:
        case DatabaseUrl():
            return value.masked()
        case SecretUrl():
            return shown(value)
        case SecretStr():
            return _MASK
        case Path():
            return str(value)
        case tuple():
            return " ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value)
        case _:
            return value
