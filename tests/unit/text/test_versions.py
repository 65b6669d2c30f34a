"""Versions: of pages by their setting, of threads by their labels, and in questions."""

from __future__ import annotations

import pytest

from rag.text.versions import Placed, covers, named, newest, newest_first, placed, versions_in, without_version

KNOWN = ("14", "15", "16rc1")


@pytest.mark.parametrize(
    ("question", "version"),
    [
        ("How do I rotate keys in PostgreSQL 14?", "14"),
        ("How do I rotate keys in version 14?", "14"),
        ("what changed in v15", "15"),
        ("what changed in v15.2", "15.2"),
        ("How do I rotate keys in version 9?", "9"),
        ("How do I rotate keys?", None),
        ("How do I keep 15 backups for 14 days?", None),
        ("What is in chapter 15, table 14?", None),
        ("The server stops after 15 seconds", None),
        ("Does port 15 need to be open?", None),
        ("It listens on 10.15.0.14", None),
    ],
)
def test_a_question_names_a_version(question: str, version: str | None) -> None:
    assert named(question, KNOWN) == version


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("How do I rotate keys in version 14?", "How do I rotate keys?"),
        ("How do I rotate keys in PostgreSQL 14?", "How do I rotate keys in PostgreSQL?"),
        ("In version 14, how do I rotate keys?", "How do I rotate keys?"),
        ("How do I rotate keys?", "How do I rotate keys?"),
    ],
)
def test_a_question_is_searched_without_its_version(question: str, rest: str) -> None:
    assert without_version(question, KNOWN) == rest


def test_dotted_versions_need_no_word_before_them() -> None:
    assert named("is 3.11 supported", ("3.11", "3.12")) == "3.11"
    assert named("is 3.1 supported", ("3.11", "3.12")) is None


@pytest.mark.parametrize(
    ("setting", "url", "place"),
    [
        (None, "https://x.org/docs/15/a.html", None),
        ("15", "https://x.org/docs/15/a.html", Placed("15", "https://x.org/docs/")),
        ("15", "https://fifteen.x.org/a.html", Placed("15", "manual")),
        ("https://x.org/docs/{version}/", "https://x.org/docs/v1.2/a.html", Placed("1.2", "https://x.org/docs/")),
        ("https://x.org/*/{version}/", "https://x.org/en/1.2/a.html", Placed("1.2", "https://x.org/*/")),
        ("https://x.org/docs/{version}/", "https://x.org/blog/1.2/a.html", None),
    ],
)
def test_a_page_is_placed_by_the_setting_of_its_source(setting: str | None, url: str, place: Placed | None) -> None:
    assert placed(setting, url, "manual-15") == place


@pytest.mark.parametrize(
    ("names", "versions"),
    [
        (["v1.2"], ["1.2"]),
        (["version: 15"], ["15"]),
        (["affects/1.2.x", "bug"], ["1.2"]),
        ([None, "good first issue", "P1"], []),
        (["Milestone 3.0", "3.0"], ["3.0"]),
    ],
)
def test_labels_and_milestones_name_versions(names: list[str | None], versions: list[str]) -> None:
    assert versions_in(names) == versions


def test_the_newest_is_stable_and_compared_as_numbers() -> None:
    assert newest(["9", "10", "11beta1", "latest"]) == "10"
    assert newest(["1.0rc1", "1.0rc2"]) == "1.0rc2"
    assert newest([]) is None
    assert newest_first(["9", "latest", "10", "9", "11beta1"]) == ["10", "9", "11beta1", "latest"]


def test_the_manual_of_a_version_is_that_of_its_patch_releases() -> None:
    assert covers("15.2", "15")
    assert covers("15", "15.2")
    assert not covers("15", "1.5")
    assert not covers("15.1", "15.2")
