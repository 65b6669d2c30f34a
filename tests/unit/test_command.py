"""The conventions of all commands."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from rag.command import CommandParser, date_argument, number_argument, run
from tests.processes import ROOT


def made() -> CommandParser:
    parser = CommandParser(
        prog="python -m rag.thing",
        description="Do a thing.",
        examples=["python -m rag.thing --day 2024-01-01"],
        interrupted="interrupted; run the command again to continue",
    )
    parser.add_argument("--day", type=date_argument)
    parser.add_argument("--count", type=number_argument)
    return parser


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--day", "yesterday"], "argument --day: 'yesterday' is not a date (YYYY-MM-DD)"),
        (["--count", "many"], "argument --count: 'many' is not a whole number"),
        (["--other"], "unrecognized arguments: --other"),
    ],
)
def test_a_bad_argument_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        made().parse_args(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {sentence} (see python -m rag.thing -h)\n"


def test_an_installed_command_goes_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/rag-thing"])
    help_text = made().format_help()
    assert "usage: rag-thing" in help_text
    assert "  rag-thing --day 2024-01-01" in help_text
    assert "python -m rag.thing" not in help_text


def test_the_description_in_a_help_text_is_as_narrow_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    words = ["word"] * 40
    parser = CommandParser(prog="python -m rag.thing", description=" ".join(words), examples=["python -m rag.thing"])

    described = parser.format_help().split("\n\n")[1]

    assert described.split() == words
    assert max(map(len, described.splitlines())) <= 58


def test_an_interrupted_command_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run(made(), interrupted, []) == 130
    assert capsys.readouterr().err == "interrupted; run the command again to continue\n"


PRINTS = """
from rag.command import CommandParser, print_json, run
parser = CommandParser(prog="python -m rag.thing", description="Print.", examples=[])
raise SystemExit(run(parser, lambda options: print_json({"a": "b"}) or 0, []))
"""


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("> /dev/full", 1, "error: The output could not be written: No space left on device.\n"),
    ],
)
def test_an_output_that_cannot_be_written_is_no_traceback(redirection: str, code: int, said: str) -> None:
    shell = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, PRINTS]
    ended = subprocess.run(shell, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (code, said)
