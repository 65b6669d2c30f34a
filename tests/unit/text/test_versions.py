"""Versions: of pages by their setting, of threads by their labels, and their order."""

from __future__ import annotations

import pytest

from rag.text.versions import (
    Placed,
    covers,
    is_older,
    newest,
    newest_first,
    placed,
    plain,
    title_tags,
    versions_in,
)


@pytest.mark.parametrize(
    ("setting", "url", "place"),
    [
        (None, "https://x.org/docs/15/a.html", None),
        ("15", "https://x.org/docs/15/a.html", Placed("15", "https://x.org/docs/")),
        ("15", "https://fifteen.x.org/a.html", Placed("15", "manual")),
        ("https://x.org/docs/{version}/", "https://x.org/docs/v1.2/a.html", Placed("1.2", "https://x.org/docs/")),
        ("https://x.org/*/{version}/", "https://x.org/en/1.2/a.html", Placed("1.2", "https://x.org/*/")),
        ("https://x.org/docs/{version}/", "https://x.org/blog/1.2/a.html", None),
        ("docs/version-{version}/", "docs/version-1.2/a.md", Placed("1.2", "manual-15")),
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
        (["needs backport to 3.11", "fixed in 1.9."], ["3.11", "1.9"]),
        (["4.2 LTS", "next (5.0)", "v1.0.0-rc.1"], ["4.2", "5.0", "1.0.0-rc.1"]),
        (["Engine 5.3", "engine-5.2"], ["5.3", "5.2"]),
        (["priority: 1", "priority/2", "size: 3", "sev 2", "tier 1"], []),
        (["Sprint 12", "Phase 2", "Q3 2024", "2024-05-01", "Hacktoberfest 2023"], []),
        (["Windows 10", "python 3.11", "RFC 8446", "http/2", "utf-8", "java 17"], []),
    ],
)
def test_labels_and_milestones_name_versions(names: list[str | None], versions: list[str]) -> None:
    assert versions_in(names, "owner/engine") == versions


def test_tags_in_brackets_begin_a_title() -> None:
    assert title_tags("[3.11] [docs] Fix the crash [sic]") == ["3.11", "docs"]
    assert title_tags("Fix the crash [3.11]") == []


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


def test_a_preview_is_one_of_its_version() -> None:
    assert covers("16", "16beta1")
    assert not covers("16beta2", "16beta1")
    assert covers("next", "next")
    assert not covers("next", "15")


def test_a_version_is_written_in_several_ways() -> None:
    assert [plain(one) for one in ("v15.2", "2.x", "15", "V3", "vNext")] == ["15.2", "2", "15", "3", "vnext"]
    assert covers("v2.x", "2.1")


def test_versions_are_ordered_by_their_numbers() -> None:
    assert is_older("9.6", "14")
    assert not is_older("15", "14")
    assert not is_older("15", "15.2"), "15 is the manual of 15.2"
