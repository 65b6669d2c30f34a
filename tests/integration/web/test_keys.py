"""`python -m rag.web key`, in this process."""

from __future__ import annotations

import json

import pytest

from rag.engine import Engine
from rag.web.__main__ import main


@pytest.fixture
def engine(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("RAG_HOME", str(empty_engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", empty_engine.database.dsn)
    return empty_engine


def test_a_key_is_added_listed_and_revoked(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "add", "editor", "--scope", "search", "--scope", "ask"]) == 0
    key = capsys.readouterr().out.strip()
    assert engine.api_keys.find(key).scopes == {"ask", "search"}

    assert main(["key", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["keys"]
    assert (listed["name"], listed["scopes"]) == ("editor", ["ask", "search"])
    assert listed["used_on"]

    assert main(["key", "revoke", "editor"]) == 0
    assert engine.api_keys.find(key) is None


def test_a_key_may_do_by_default_what_users_do(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "add", "bot", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["scopes"] == ["ask", "search", "feedback"]
    assert engine.api_keys.find(made["key"]).name == "bot"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "a b"], "error: 'a b' cannot name a key; use up to 63 letters, digits, dots and hyphens."),
        (["revoke", "nobody"], "error: There is no key called 'nobody'; there are: none."),
    ],
)
def test_a_wrong_name_is_one_line(
    engine: Engine, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["key", *arguments]) == 2
    assert capsys.readouterr().err.strip() == sentence


def test_a_name_is_taken_once(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    main(["key", "add", "editor"])
    assert main(["key", "add", "editor"]) == 2
    assert "There is a key called 'editor' already." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["add"], ["revoke"], ["list", "x"], ["add", "x", "--scope", "everything"]])
def test_a_wrong_call_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["key", *arguments])
    assert left.value.code == 2
    assert "python -m rag.web key -h" in capsys.readouterr().err
