"""Settings and sources.toml: every error is one line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import DocsConfig, GitHubConfig, Settings, load_settings


def settings(tmp_path: Path, sources: str) -> Settings:
    path = tmp_path / "sources.toml"
    path.write_text(sources)
    return Settings(RAG_HOME=tmp_path, RAG_SOURCES=path)


def test_sources_are_read_with_their_defaults(tmp_path: Path) -> None:
    github, docs = settings(
        tmp_path,
        """
        [[github]]
        name = "spec"
        repo = "tlswg/tls13-spec"
        since = 2023-01-01
        [[docs]]
        name = "manual"
        url = "https://example.org/docs/index.html"
        """,
    ).sources
    assert isinstance(github, GitHubConfig)
    assert isinstance(docs, DocsConfig)
    assert github.include == ("issues", "discussions")
    assert github.since == datetime(2023, 1, 1, tzinfo=UTC)
    assert (docs.max_pages, docs.delay, docs.include) == (5000, 0.0, ("**",))


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ("[[github]", "cannot be read: .*line 1"),
        ('[[github]]\nname = "a"', "'a': repo: is required"),
        ('[[github]]\nname = "a"\nrepo = "no-slash"', "'a': repo: .*pattern"),
        ('[[github]]\nname = "a"\nrepo = "o/r"\nbranch = "main"', "'a': branch: unknown key"),
        ('[[docs]]\nname = "a"\nurl = "docs.example.org"', "absolute http:// or https:// URL"),
        ('[[wiki]]\nname = "a"', r"Unknown table \[\[wiki\]\]; choose from \[\[github\]\]"),
        ('[[docs]]\nname = "a"\nurl = "https://a"\n[[github]]\nname = "a"\nrepo = "o/r"', "two sources are called 'a'"),
    ],
)
def test_the_error_for_an_invalid_sources_file_is_one_sentence_with_the_place(
    tmp_path: Path, sources: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as error:
        _ = settings(tmp_path, sources).sources
    assert "\n" not in str(error.value)


def test_the_error_for_a_missing_sources_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Copy sources\.example\.toml there, or set RAG_SOURCES"):
        _ = Settings(RAG_SOURCES=tmp_path / "none.toml").sources


def test_the_language_model_defaults_to_openai_only_with_a_key() -> None:
    assert Settings().llm == "extractive"
    assert Settings(OPENAI_API_KEY="k").llm.startswith("openai/")
    assert Settings(OPENAI_API_KEY="k", RAG_LLM="ollama/llama3").llm == "ollama/llama3"


def test_every_setting_is_declared_with_its_default_and_one_line() -> None:
    declared = {setting.name: setting for setting in Settings.declared()}
    assert {"RAG_RERANKER", "RAG_RESPONSE_MODE", "RAG_CONTEXT_WINDOW"} <= declared.keys()
    assert all(setting.description and "\n" not in setting.description for setting in declared.values())
    assert declared["RAG_LOG_ANSWERS"].default == "true"
    assert declared["RAG_DATABASE_URL"].default == "the embedded Postgres"
    assert declared["GITHUB_TOKEN"].default == "unset"
    secret = {name for name, setting in declared.items() if setting.is_secret}
    tokens = {"GITHUB_TOKEN", "RAG_TRIAGE_TOKEN", "RAG_SLACK_BOT_TOKEN", "RAG_SLACK_APP_TOKEN", "RAG_DISCORD_TOKEN"}
    assert secret == {"RAG_DATABASE_URL", "OPENAI_API_KEY", "RAG_ALERT_WEBHOOK"} | tokens
    assert declared.keys() == Settings().masked().keys()


def test_every_secret_is_masked() -> None:
    secrets = {setting.name: "https://secret.example" for setting in Settings.declared() if setting.is_secret}
    secrets["RAG_DATABASE_URL"] = "host=db password=secret"
    assert {Settings(**secrets).masked()[name] for name in secrets} == {"********"}


def test_secrets_are_masked() -> None:
    shown = Settings(
        OPENAI_API_KEY="sk-secret", GITHUB_TOKEN="ghp_secret", RAG_DATABASE_URL="postgresql://me:secret@db/rag"
    ).masked()
    assert "secret" not in str(shown)
    assert shown["RAG_DATABASE_URL"] == "postgresql://me:********@db/rag"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("RAG_GITHUB_API_URL", "github.example.org", "RAG_GITHUB_API_URL: must be an absolute"),
        ("RAG_WEB_RATE", "many", "RAG_WEB_RATE: 'many' is not a whole number."),
        ("RAG_WEB_RATE", "-1", "RAG_WEB_RATE: must be at least 0."),
        ("RAG_WEB_PUBLIC", "perhaps", "RAG_WEB_PUBLIC: 'perhaps' is not true or false."),
        ("RAG_WEB_COLOR", "red", "RAG_WEB_COLOR: 'red' does not match the pattern"),
        (
            "RAG_EMBEDDING_MODEL",
            "minilm",
            "RAG_EMBEDDING_MODEL: unknown model 'minilm'; choose from local/all-MiniLM-L6-v2, openai/NAME",
        ),
    ],
)
def test_the_error_for_an_invalid_setting_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=sentence):
        load_settings()


def test_secrets_are_read_from_the_files_of_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "GITHUB_TOKEN").write_text("from a file\n")
    (tmp_path / "OPENAI_API_KEY").write_text("from a file")
    monkeypatch.setattr("rag.settings.SECRETS", tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")

    read = load_settings()

    assert read.github_token.get_secret_value() == "from a file"
    assert read.openai_api_key.get_secret_value() == "from the environment"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RAG_ALERT_WEBHOOK", "hooks.example.org/x", "must be an absolute http:// or https:// URL"),
        ("RAG_ALERT_FAILURES", "0", "must be at least 1"),
        ("RAG_RUN_ON", "ray", "RAG_RUN_ON: unknown value 'ray'; choose from threads, workers, dask"),
    ],
)
def test_the_error_for_an_invalid_value_is_one_line(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()
