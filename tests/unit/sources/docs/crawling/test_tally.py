"""A crawl says when it reads far fewer words than it fetched."""

from __future__ import annotations

from dataclasses import replace

from rag.sources.docs.crawling.tally import LeftOut, Tally
from rag.sources.docs.pages.page import Page


def page(*, words: int, kept: int) -> Page:
    return Page("T", "word " * kept, (), None, None, noindex=False, fragments=frozenset(), words=words)


def messages(tally: Tally) -> list[str]:
    return [notice.message for notice in tally.notices()]


def test_pages_that_keep_few_of_their_words_are_named_the_worst_first() -> None:
    tally = Tally()
    for number, kept in enumerate([300, 60, 900, 10, 1000]):
        tally.count_words(f"http://x/{number}", page(words=1000, kept=kept))

    assert messages(tally) == [
        "2 pages keep less than a quarter of the words that a reader sees: http://x/3 (10 of 1000), "
        "http://x/1 (60 of 1000)."
    ]


def test_a_site_that_keeps_less_than_half_of_its_words_is_reported() -> None:
    tally = Tally()
    for number in range(3):
        tally.count_words(f"http://x/{number}", page(words=1000, kept=400))

    assert messages(tally) == ["the documents keep 1,200 of the 3,000 words that a reader sees."]


def test_short_pages_and_a_few_lists_of_contents_in_a_large_site_are_no_news() -> None:
    tally = Tally()
    tally.count_words("http://x/short", page(words=199, kept=1))
    for number in range(98):
        tally.count_words(f"http://x/{number}", page(words=500, kept=500))
    tally.count_words("http://x/contents", page(words=1000, kept=20))

    assert messages(tally) == []


def test_the_reasons_for_an_empty_crawl_are_listed_the_most_frequent_first() -> None:
    tally = Tally()
    for reason in (LeftOut.NOINDEX, LeftOut.SCRIPT, LeftOut.SCRIPT):
        tally.leave_out(reason)

    assert tally.why_empty() == "2 need JavaScript to show their text, 1 are marked noindex"


def test_pages_whose_main_text_is_marked_wrongly_are_counted() -> None:
    tally = Tally()
    for is_refused in (True, False, True):
        tally.count_words("http://x/a", replace(page(words=500, kept=500), is_mark_refused=is_refused))

    assert messages(tally) == ["2 pages were read whole: the element marked as the main text holds little of it."]
