"""Blocks that stand on many pages of a site are left out, and nothing else."""

from __future__ import annotations

from rag.sources.docs.crawling.repeated import Blocks, repeated, to_cut

SUITE = "Part of the example(1) suite"


def site(pages: int, *, with_block: int) -> list[Blocks]:
    """Pages with a text of their own, the first of which end in a block that they share."""
    ends = [f"\n\n## EXAMPLE\n\n{SUITE}" if number < with_block else "" for number in range(pages)]
    return [Blocks(f"# Page {number}\n\nWhat page {number} alone says.{end}") for number, end in enumerate(ends)]


def texts(pages: list[Blocks]) -> list[str]:
    shared = repeated(page.edges for page in pages)
    return [page.without(to_cut(page.edges, shared)) for page in pages]


def test_a_block_on_most_pages_is_left_out_with_its_heading() -> None:
    assert texts(site(12, with_block=12))[3] == "# Page 3\n\nWhat page 3 alone says."


def test_a_block_on_three_in_ten_pages_is_left_out_and_one_on_fewer_stays() -> None:
    assert not any(SUITE in text for text in texts(site(40, with_block=12)))
    assert sum(SUITE in text for text in texts(site(40, with_block=11))) == 11


def test_a_block_of_a_small_site_stays() -> None:
    assert all(SUITE in text for text in texts(site(7, with_block=7)))


def test_headings_code_and_short_blocks_stay() -> None:
    text = "# Page\n\n## Options\n\n```\nimport example as ex\n```\n\nDeprecated.\n\n{own}"

    pages = [Blocks(text.replace("{own}", f"What page {number} alone says.")) for number in range(20)]

    assert texts(pages)[0] == text.replace("{own}", "What page 0 alone says.")


def test_lists_of_languages_are_one_block_whatever_languages_a_page_has() -> None:
    lists = ["Available Languages: en | fr | ja", "Available Languages: en", "Available Languages: English | français"]
    pages = [Blocks(f"# P\n\n{lists[number % 3]}\n\nWhat page {number} alone says.") for number in range(12)]

    assert texts(pages)[4] == "# P\n\nWhat page 4 alone says."


def test_a_page_of_which_nothing_would_be_left_stays_whole() -> None:
    stub = "This page is under construction."

    assert texts([*site(10, with_block=10), *(Blocks(stub) for _ in range(10))])[10:] == [stub] * 10


def test_what_stands_in_the_middle_of_long_pages_stays() -> None:
    def page(number: int) -> Blocks:
        own = [f"Paragraph {position} of page {number}." for position in range(20)]
        return Blocks("\n\n".join([*own[:10], "Be quiet and print errors only.", *own[10:]]))

    assert all("Be quiet" in text for text in texts([page(number) for number in range(20)]))


def test_the_rest_of_the_text_is_kept_to_the_letter() -> None:
    text = "# T\nunder it\n\n\n- a\n\n\n  b\n\nOwn words of this page.  \n\nThe footer of all pages."
    others = [Blocks(f"# T\n\nWords of {number}.\n\nThe footer of all pages.") for number in range(9)]

    assert texts([Blocks(text), *others])[0] == text.removesuffix("\n\nThe footer of all pages.")


def test_a_heading_above_an_emptied_one_is_left_out_too_and_one_with_content_stays() -> None:
    pages = [
        Blocks(f"# P\n\n## Use\n\nUse number {number} well.\n\n### Notes\n\n{SUITE}\n\n## End\n\n### More\n\n{SUITE}")
        for number in range(9)
    ]

    assert texts(pages)[2] == "# P\n\n## Use\n\nUse number 2 well."
