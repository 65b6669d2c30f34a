"""Files of a repository as Markdown with GitHub's anchors."""

from __future__ import annotations

from rag.sources.repository import markdown_of


def test_headings_get_the_anchors_that_github_gives_them() -> None:
    _, text = markdown_of("# A & B: `c_d`\n\n## Why?\n\n## Why?\n\n### [Link](x) here", "x.md")
    assert [line.rpartition(" ")[2] for line in text.split("\n") if line] == [
        "{#a--b-c_d}",
        "{#why}",
        "{#why-1}",
        "{#link-here}",
    ]


def test_a_heading_in_code_is_code() -> None:
    _, text = markdown_of("```sh\n# comment\n```", "x.md")
    assert "{#" not in text


def test_the_title_comes_from_front_matter_the_first_heading_or_the_name() -> None:
    assert markdown_of('---\ntitle: "Quoted: yes"\n---\n# Other', "x.md")[0] == "Quoted: yes"
    assert markdown_of("# `First` one\n\nText", "x.md")[0] == "First one"
    assert markdown_of("Text", "docs/plain-name.md")[0] == "plain-name"


def test_underlined_titles_of_rst_are_headings() -> None:
    _, text = markdown_of("=====\nTitle\n=====\n\nText\n\nPart\n----\n\nMore", "x.rst")
    assert text == "# Title {#title}\n\nText\n\n## Part {#part}\n\nMore"
