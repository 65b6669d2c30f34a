"""Versions in questions, in the words in which people name them."""

from __future__ import annotations

import pytest

from rag.text.named_versions import named_versions, without_versions

MANUAL = ("14", "15", "16rc1")
LIBRARY = ("2.1", "2.2", "3.0", "next")


def named(question: str, known: tuple[str, ...], *products: str) -> list[str]:
    return [one.version for one in named_versions(question, known, products)]


@pytest.mark.parametrize(
    ("question", "versions"),
    [
        ("How do I rotate keys in PostgreSQL 14?", ["14"]),
        ("How do I rotate keys in version 14?", ["14"]),
        ("PostgreSQL 14: how do I rotate keys?", ["14"]),
        ("how do I rotate keys in postgres 14", ["14"]),
        ("postgres 14 rotate keys", ["14"]),
        ("pg15 rotate keys", ["15"]),
        ("postgresql-15 rotate keys", ["15"]),
        ("rotate keys with postgres:14", ["14"]),
        ("rotate keys (PG 14)", ["14"]),
        ("Postgres >= 14: how do I rotate keys?", ["14"]),
        ("How do I rotate keys in 14?", ["14"]),
        ("In 14, how do I rotate keys?", ["14"]),
        ("Since 15, how are keys rotated?", ["15"]),
        ("I am on 15, how do I rotate keys?", ["15"]),
        ("We are running 14. How are keys rotated?", ["14"]),
        ("rotate keys on 15.3", ["15.3"]),
        ("rotate keys in 14.x", ["14"]),
        ("what changed in v15", ["15"]),
        ("what changed in v15.2", ["15.2"]),
        ("and what about 14?", ["14"]),
        ("How do I rotate keys in version 9?", ["9"]),
        ("Is this in 16?", ["16"]),
        ("upgrade from 14 to 15", ["14", "15"]),
        ("How do I upgrade to 15?", ["15"]),
        ("What differs between 14 and 15?", ["14", "15"]),
        ("14 vs 15 key rotation", ["14", "15"]),
        ("How were keys rotated before 15?", ["14"]),
        ("How are keys rotated in versions older than 15?", ["14"]),
        ("How do I rotate keys?", []),
        ("How do I keep 15 backups for 14 days?", []),
        ("Keep 15 backups", []),
        ("Can I start with 14 workers?", []),
        ("What is in chapter 15, table 14?", []),
        ("The server stops after 15 seconds", []),
        ("Does port 15 need to be open?", []),
        ("It listens on 10.15.0.14", []),
        ("It failed on 2026-01-15", []),
        ("Can I change max_connections to 15?", []),
        ("Is it possible to have more than 14?", []),
        ("It ends with signal 15", []),
        ("Is issue #15 solved?", []),
        ("How do I rotate keys in PostgreSQL 12?", []),
    ],
)
def test_a_question_names_the_versions_of_a_manual(question: str, versions: list[str]) -> None:
    assert named(question, MANUAL) == versions


@pytest.mark.parametrize(
    ("question", "versions"),
    [
        ("is 2.1 supported", ["2.1"]),
        ("is 2.3 supported", []),
        ('How do I parse the string "2.1"?', []),
        ("What does `2.1` return?", []),
        ("with Django 2.x, how do I migrate?", ["2"]),
        ("django@2.1 migrate", ["2.1"]),
        ("available since 3.0?", ["3.0"]),
        ("older than 2.5: how do I migrate?", ["2.2"]),
        ("before 4.5, how do I migrate?", []),
        ("How do I migrate on next?", ["next"]),
        ("the next version of migrate", ["next"]),
        ("What is the next step after migrate?", []),
    ],
)
def test_a_question_names_the_versions_of_a_library(question: str, versions: list[str]) -> None:
    assert named(question, LIBRARY) == versions


def test_a_version_that_the_index_lacks_is_named_behind_its_product() -> None:
    assert named("How do I rotate keys in Postgres 12?", MANUAL, "postgresql") == ["12"]
    assert named("How do I open PostgreSQL 5432?", MANUAL, "postgresql") == []
    assert named("How do I rotate keys on Windows 11?", MANUAL, "postgresql") == []


@pytest.mark.parametrize(
    ("question", "product", "versions"),
    [
        ("How do I install it on Ubuntu 14.04?", "postgresql", []),
        ("Does it build on macOS 14?", "postgresql", []),
        ("Which driver do I need for Java 15?", "postgresql", []),
        ("PostgreSQL 15 on Debian 14", "postgresql", ["15"]),
        ("Does version 15 run on Ubuntu 14.04?", "postgresql", ["15"]),
        ("Does it work with Node.js 14?", "jest", []),
        ("How do I install packages on Ubuntu 14?", "ubuntu", ["14"]),
        ("Which packages does Ubuntu 14 have?", "ubuntuusers", ["14"]),
        ("Does it work with Python 14?", "django", []),
        ("Which Redis 15 do I need?", "postgresql", []),
        ("Does PostgreSQL support Gateway API v1.2?", "postgresql", []),
        ("Gateway API version 1.2 with PostgreSQL", "postgresql", []),
        ("Does PostgreSQL Server v12 rotate keys?", "postgresql", ["12"]),
        ("Does Gateway API v1.2 rotate keys?", "postgresql", ["1.2"]),
        ("How do I rotate keys in PostgreSQL 14?", "manual", ["14"]),
        ("How do I rotate keys in PostgreSQL 14?", "intranet", ["14"]),
    ],
)
def test_the_version_of_a_platform_is_not_that_of_the_product(question: str, product: str, versions: list[str]) -> None:
    assert named(question, MANUAL, product) == versions


def test_a_version_may_be_written_without_its_point() -> None:
    assert named("does py311 have it", ("3.11", "3.12"), "python") == ["3.11"]
    assert named("does abc311 have it", ("3.11", "3.12"), "python") == []


def test_a_product_may_have_the_name_of_a_word_of_english() -> None:
    assert named("engine 14 rotate keys", MANUAL) == []
    assert named("engine 14 rotate keys", MANUAL, "engine") == ["14"]


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("How do I rotate keys in version 14?", "How do I rotate keys?"),
        ("How do I rotate keys in PostgreSQL 14?", "How do I rotate keys in PostgreSQL?"),
        ("In version 14, how do I rotate keys?", "How do I rotate keys?"),
        ("How do I rotate keys (v14)?", "How do I rotate keys?"),
        ("pg15 rotate keys", "pg rotate keys"),
        ("upgrade from 14 to 15 with pg_upgrade", "upgrade with pg_upgrade"),
        ("How do I rotate keys?", "How do I rotate keys?"),
        ("v14", "v14"),
    ],
)
def test_a_question_is_searched_without_its_versions(question: str, rest: str) -> None:
    assert without_versions(question, named_versions(question, MANUAL)) == rest
