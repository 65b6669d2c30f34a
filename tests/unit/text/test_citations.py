"""Citations and links in an answer point only to retrieved chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.text.citations import REMOVED, best_quote, cited, escape_markers, keep_known_links, renumber, sanitized


def test_markers_are_numbered_in_the_order_they_appear() -> None:
    answer = "First this [4]. Then that [2, 4]."
    numbers = cited(answer, range(1, 6))
    assert numbers == [4, 2]
    assert renumber(answer, numbers) == "First this [1]. Then that [2][1]."


def test_markers_without_a_source_are_removed() -> None:
    answer = "True [1]. Invented [9]. Absurd [99999999999]."
    assert renumber(answer, cited(answer, range(1, 3))) == "True [1]. Invented. Absurd."


def test_text_that_is_not_a_marker_is_unchanged() -> None:
    assert renumber("From `$1` ... `$n` [7]: all of them [2] .", [2]) == "From `$1` ... `$n`: all of them [1] ."


def test_an_index_in_code_is_not_a_marker() -> None:
    answer = "Take `items[1]` [2].\n\n```py\nx = y[1]\n```"
    numbers = cited(answer, range(1, 3))
    assert numbers == [2]
    assert renumber(answer, numbers) == "Take `items[1]` [1].\n\n```py\nx = y[1]\n```"


def test_a_footnote_in_a_quoted_passage_is_not_a_marker() -> None:
    passage = escape_markers("As RFC 8446 [2] says, `a[1]` holds.")
    assert cited(f"{passage} [3]", range(1, 4)) == [3]
    assert passage.replace("\u2060", "") == "As RFC 8446 [2] says, `a[1]` holds."


def test_unknown_links_lose_their_target_and_keep_their_text() -> None:
    known = ["https://docs.org/a"].__contains__
    assert keep_known_links("See [the page](https://docs.org/a).", known) == "See [the page](https://docs.org/a)."
    assert keep_known_links("See [the page](https://evil.org/x).", known) == "See the page."
    assert keep_known_links("See https://evil.org/x?q=1.", known) == f"See {REMOVED}."
    assert keep_known_links("![pixel](https://docs.org/a)", known) == REMOVED
    assert keep_known_links("[x](javascript:alert(1))", known) == "x)"


@given(st.text(alphabet="[](){}<>!`htps:/.evilorg \n1", max_size=200))
def test_unknown_hosts_are_removed_in_every_spelling_of_a_link(answer: str) -> None:
    shown = keep_known_links(answer + " https://evil.org/pay", lambda url: False)
    assert "https://evil.org/pay" not in shown or "`" in answer


def test_a_quote_occurs_verbatim_in_the_chunk() -> None:
    text = "Backups matter.\n\nUse `pg_dump mydb > file` to write one database to a file. It is consistent."
    quote = best_quote("To back up one database to a file, use pg_dump [1].", text)
    assert quote == "Use `pg_dump mydb > file` to write one database to a file."


@given(st.text(max_size=100), st.text(min_size=1, max_size=800))
def test_any_quote_of_any_text_is_verbatim_and_short(claim: str, text: str) -> None:
    quote = best_quote(claim, text)
    assert quote in text
    assert len(quote) <= 300


def test_joiners_that_words_and_emoji_need_are_shown() -> None:
    for text in ("\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0915\u094d\u200d\u0937", "\U0001f468\u200d\U0001f4bb"):
        assert sanitized(text) == text
    assert sanitized("a\u200cb\u200d c\u2060") == "ab c"
