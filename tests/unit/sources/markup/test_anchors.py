"""The anchors of headings by the rules of each host."""

from __future__ import annotations

import pytest

from rag.sources.markup.anchors import Anchors, bitbucket, gitea, github, gitlab


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        # The results of the npm package github-slugger 2.0.0.
        ("What's new in 2.0?", "whats-new-in-20"),
        ("The --debug option", "the---debug-option"),
        ("snake_case & kebab-case", "snake_case--kebab-case"),
        ("日本語の見出し", "日本語の見出し"),
        ("Emoji 🎉 party", "emoji--party"),
        ("a  b", "a--b"),
        ("C++ / C#", "c--c"),
        ("Ⓐ circled", "ⓐ-circled"),
        ("½ and ²", "-and-"),
        ("tab\there", "tabhere"),
        ("İstanbul", "i̇stanbul"),
        ("§ 3.2.1", "-321"),
        ("ⅷ roman", "ⅷ-roman"),
        ("मानक हिन्दी", "मानक-हिन्दी"),
    ],
)
def test_github_anchors(heading: str, anchor: str) -> None:
    assert github(heading) == anchor


def test_the_counter_of_a_repeated_heading_skips_taken_anchors() -> None:
    anchors = Anchors(github)
    assert [anchors.add(heading) for heading in ("use", "use", "use-1", "use")] == ["use", "use-1", "use-1-1", "use-2"]


def test_other_hosts_have_their_own_rules() -> None:
    assert gitlab("The --debug option") == "the-debug-option"
    assert gitlab("2024") == "anchor-2024"
    assert gitea("What's new in 2.0?") == "whats-new-in-20"
    assert bitbucket("What's new?") == "markdown-header-whats-new"
