"""A label has the words that tell a group of questions from the others."""

from __future__ import annotations

from rag.desk.labels import Labeller

BACKUP = ["How do I back up one database with pg_dump?", "pg_dump one database", "Can pg_dump write to a file?"]
VACUUM = ["When does autovacuum run?", "autovacuum does not run", "How often will autovacuum run"]
WINDOWS = ["Which port do I open on Windows?", "windows port", "the port on Windows"]


def test_a_label_is_made_of_what_the_questions_share_and_others_lack() -> None:
    labeller = Labeller([*BACKUP, *VACUUM, *WINDOWS])
    assert labeller.label(BACKUP).split(" · ")[:2] == ["one database", "pg_dump"]
    assert labeller.label(VACUUM).startswith("autovacuum run")
    assert set(labeller.label(WINDOWS).split(" · ")[:2]) == {"Windows", "port"}


def test_words_that_only_put_a_question_are_no_label() -> None:
    questions = ["How do I do this?", "please help"]
    assert Labeller(questions).label(questions) == "other questions"


def test_plurals_and_capitals_are_one_term() -> None:
    questions = ["Backups of tables", "backup the table", "A BACKUP of Tables"]
    label = Labeller([*questions, *VACUUM]).label(questions)
    assert len(label.split(" · ")) == 2
    indexes = ["Indexes", "index", "an INDEX"]
    assert " · " not in Labeller([*indexes, *VACUUM]).label(indexes)


def test_questions_in_other_scripts_have_labels() -> None:
    questions = ["如何备份数据库", "备份数据库的命令"]
    assert "备份" in Labeller([*questions, *VACUUM]).label(questions)


def test_a_number_is_no_label_but_completes_a_word() -> None:
    notes = ["Release 9.6", "Release 9.6, 2048 changes", "9.6 has 2048 changes"]
    sizes = ["2048", "a buffer of 2048", "2048 or 4096"]
    labeller = Labeller([*notes, *sizes, *VACUUM])
    assert "Release 9.6" in labeller.label(notes)
    assert not any(term[0].isdecimal() for term in labeller.label(sizes).split(" · "))
