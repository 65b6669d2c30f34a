"""Languages: the one that a question is in, if it is not English."""

from __future__ import annotations

import pytest

from rag.text.languages import foreign_language, is_in_another_language


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Wie klone ich nur den letzten Commit?", "German"),
        ("Was ist ein Rebase?", "German"),
        ("comment cloner un dépôt sans historique", "French"),
        ("¿Cómo clono un repositorio sin su historial?", "Spanish"),
        ("Come faccio a clonare il repository senza la storia?", "Italian"),
        ("Como faço para clonar um repositório com git?", "Portuguese"),
        ("Hoe maak ik een kopie van het archief?", "Dutch"),
        ("как клонировать репозиторий", "Russian"),
        ("如何克隆仓库", "Chinese"),
        ("git でコミットを取り消すには", "Japanese"),
    ],
)
def test_the_language_of_a_question_is_told(question: str, language: str) -> None:
    assert foreign_language(question) == language


@pytest.mark.parametrize(
    "question",
    [
        "How do I clone only the latest commit?",
        "max_wal_size",
        "git push origin main",
        "die() in a signal handler",
        "what does the die directive do",
        "is there an en_US locale for de_DE dates",
        "error: pathspec 'не-файл.txt' did not match any file known to git",
        "",
    ],
)
def test_english_names_and_quoted_words_are_no_other_language(question: str) -> None:
    assert foreign_language(question) is None


@pytest.mark.parametrize(
    ("question", "is_other"),
    [
        ("Miten pysäytän upotetun tietokannan?", True),
        ("როგორ გავაჩერო მონაცემთა ბაზა?", True),
        ("Hur startar jag den inte för mig?", True),
        ("How do I stop the Gödel encoder?", False),
        ("pg_dump custom format", False),
        ("What does “--café” do?", False),
        ("größer 5 µs…", True),
        ("set x → y", False),
    ],
)
def test_a_question_may_be_told_to_be_in_another_language(question: str, is_other: bool) -> None:
    assert is_in_another_language(question) is is_other
