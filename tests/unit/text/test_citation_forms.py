"""Every form in which language models cite is a marker."""

from __future__ import annotations

import pytest

from rag.text.citation_forms import normalized, without_references
from tests.growth import takes_linear_time

SOURCES = range(1, 7)
# ruff: noqa: RUF001 - the brackets of other scripts are the point
ONE = [
    "S【2】.", "S【2:0†source】.", "S 【2†L1-L5】.", "S［2］.", "S〔2〕.", "S[^2].", "S [^2^].", "S [source: 2].", "S [Source 2].",
    "S [Doc 2].", "S [doc_2].", "S [ref2].", "S [citation:2].", "S [cite: 2].", "S [#2].", "S [n°2].", "S [№2].", "S [ 2 ].",
    "S [Quelle 2].", "S [Источник 2].", "S [出典2].", "S [来源：2].", "S (2).", "S（2）.", "S (source 2).", "S (Source: 2).",
    "S (see [2]).", "S [[2]].", "S [[2]](https://example.org/x).", "S [2](#2).", "S [2](https://example.org/x).", "S **[2]**.",
    "S *[2]*.", "S __[2]__.", r"S \[2\].", "S `[2]`.", "S<sup>2</sup>.", "S<sup>[2]</sup>.", "S <cite>2</cite>.",
    'S <cite id="2"/>.', "S <ref>2</ref>.", "Sum².", "Sum⁽²⁾.", "S^2.", "S ^[2].", "S [2: Install].", "S [2, p. 3].",
    "S. Source: 2", "S. Sources: [2].", "[cite_start]S[cite: 2].", "According to source 2, it is so.", "S [2 – Install].",
    "S [id=2].", "S [n=2].", "S ⟨2⟩.", "S ❨2❩.", "S <2>.", "S {2}.", "S {{2}}.", "S {cite:2}.", r"S \cite{2}.", "S $^{2}$.", "S [@2].",
    "S ②.", "S [②].", "S[²].", "S❷.", "S [c2].", "S[^src2].", "S [@source2].", "S [Source: [2]].", "S [[2]](2).", "S [Install [2]].",
    "S [Install][2].", "S (as stated in [2]).", "S (cited in [2]).", "S Source: [2].", "S [2]{.citation}.", "S :cite[2].",
    "S &#91;2&#93;.", "S^2^.", "S (cf. [2]).", "Sum<sub>2</sub>.", "[2]: S is so, it says.",
]  # fmt: skip
SEVERAL = ["S [2, 4].", "S [2; 4].", "S [2 and 4].", "S [2] [4].", "S [2], [4].", "S (2, 4).", "S [Sources 2 & 4].", "S [2][4].",
           "S【2】【4】.", "S [source 2, source 4].", "S <sup>2,4</sup>.", "S. Sources: 2, 4", "S [2 4].", "S [2 or 4].", "S [2, and 4].",
           "S (see [2] and [4]).", "S [2] and [4]."]  # fmt: skip
RANGES = ["S [2..4].", "S [2-4].", "S [2–4].", "S [2 to 4].", "S (2-4)."]
NONE = [
    "Take items[1] and `x[2]`.", "It returns 404 (not 500).", "Step (3) of 9.", "See pg_dump(1).", "It is [section 3].",
    "An area of 4 m² or 10².", "In [2024] it ended.", "up to (2) retries", "- [x] done", "version [1.2.3]", "[ERROR 500] fails",
    "```py\nx[1] = y[2]\n```", "the set {2} of all", "vector<2> is", "a {{7}}.", "x$^{2}$ + y",
]  # fmt: skip


@pytest.mark.parametrize("text", ONE)
def test_a_citation_of_any_form_is_a_marker(text: str) -> None:
    assert numbers(text) == [2]


@pytest.mark.parametrize(
    "mark",
    [
        " :contentReference[oaicite:1]{index=1}",
        " turn0search2",
        "citeturn12file0",
        ' <grok:render type="c"><argument name="citation_id">2</argument></grok:render>',
    ],
)
def test_marks_of_the_interfaces_of_vendors_are_left_out(mark: str) -> None:
    assert normalized(f"S is so{mark}.", SOURCES) == "S is so."


@pytest.mark.parametrize(
    "text",
    [
        "S (see [2] and [4]).",
        "S [2] and [4].",
        "S Source: [2].",
        "S [Install [2]].",
        "S :cite[2].",
        "S②.",
        "S ~[2]~.",
        "S [2]†.",
        "S (→ [2]).",
    ],
)
def test_nothing_is_left_around_the_markers(text: str) -> None:
    assert set(normalized(text, SOURCES)) <= set("S [24].")


@pytest.mark.parametrize(("text", "expected"), [*((t, [2, 4]) for t in SEVERAL), *((t, [2, 3, 4]) for t in RANGES)])
def test_lists_and_ranges_are_several_markers(text: str, expected: list[int]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_citation_is_unchanged(text: str) -> None:
    assert normalized(text, SOURCES) == text


def numbers(text: str) -> list[int]:
    from rag.text.citations import cited

    return cited(normalized(text, SOURCES), SOURCES)


@pytest.mark.parametrize(
    "text",
    ["References:\n[1] Install", "**Sources**\n\n1. Install\n2. Backup", "[1] Install\n[2] Backup – https://example.org",
     "参考文献\n[1] Install", "[1](https://example.org/a): Install"],
)  # fmt: skip
def test_a_list_of_references_is_left_out(text: str) -> None:
    assert without_references(text).strip() == ""
    assert without_references(f"It is so [1].\n\n{text}").strip() == "It is so [1]." or "References" not in text


def test_sentences_with_markers_are_no_references() -> None:
    for text in ("[1] says that it works.", "1. Stop it [1].\n2. Start it [2].", "It is so [1].\nAnd so [2]."):
        assert without_references(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[docs",
        "(",
        "[1,",
        "source 1 ",
        "[^",
        "<sup>",
        "¹",
        "\\[",
        "Sources: [1], ",
        "[1]\n",
        "**[",
        "[s s s 1",
        "[ ",
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert takes_linear_time(lambda part: (normalized(part, SOURCES), without_references(part)), text)
