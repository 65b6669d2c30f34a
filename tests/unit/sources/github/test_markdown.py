"""Cleaning the Markdown of issues and comments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources.github.markdown import clean, without_quotes_of


def test_comment_blocks_of_templates_are_removed() -> None:
    assert clean("<!-- Please search first! -->\r\nIt crashes.\r\n\r\n<!-- what\r\nelse? -->", top=2) == "It crashes."


def test_a_comment_block_may_hold_a_fence() -> None:
    assert clean("<!--\n```\nexample\n```\n-->\nIt crashes.", top=2) == "It crashes."


def test_code_is_unchanged() -> None:
    code = "```html\n# not a heading\n<!-- kept -->\n\n\n> kept\n## neither {#x}\n```"
    assert clean(f"Look:\n\n{code}", top=3) == f"Look:\n\n{code}"


def test_indented_code_is_unchanged() -> None:
    assert clean("Look:\n\n    # a comment\n    <b>", top=3) == "Look:\n\n    # a comment\n    <b>"


def test_a_comment_in_backticks_is_kept() -> None:
    assert clean("Write `<!-- toc -->` there.", top=2) == "Write `<!-- toc -->` there."


def test_headings_move_below_the_given_level_and_keep_their_distance() -> None:
    assert clean("# Steps\n\na\n\n## More ##\n\nb", top=3) == "### Steps\n\na\n\n#### More\n\nb"


def test_underlined_headings_become_atx_headings() -> None:
    assert clean("Steps\n=====\n\na\n\nMore\n----\n\nb", top=3) == "### Steps\n\na\n\n#### More\n\nb"


def test_a_rule_below_a_list_is_not_a_heading() -> None:
    assert clean("- one\n---\ntext", top=3) == "- one\n---\ntext"


def test_a_number_sign_without_a_space_is_not_a_heading() -> None:
    assert clean("#12 says so", top=3) == "#12 says so"


def test_anchor_marks_in_a_body_are_escaped() -> None:
    assert clean("## Section {#mine}", top=3) == "### Section {\\#mine}"


def test_an_unclosed_fence_does_not_swallow_the_next_comment() -> None:
    assert clean("```\ncode", top=3) == "```\ncode\n```"


def test_a_quotation_of_an_earlier_comment_is_removed() -> None:
    earlier = ["The key exchange\nhas to come first.", "I agree with all of that."]
    body = "> The key exchange has\n> to come first.\n\nWhy?\n\n> I agree with all of that.\n\nI do not."
    assert without_quotes_of(body, earlier) == "Why?\n\nI do not."


def test_a_quotation_of_other_text_is_kept() -> None:
    body = "> Clients MUST send it (RFC 8446).\n\nSo we do."
    assert without_quotes_of(body, ["Something else was said here."]) == body


def test_the_quotation_introduction_and_footer_of_a_mail_reply_are_removed() -> None:
    body = (
        "Yes, done.\n\nOn Fri, Apr 18, 2014 at 3:03 PM, Ann <notifications@github.com> wrote:\n\n"
        "> The key exchange has to come first.\n>\n> —\n> Reply to this email directly or view it on GitHub."
    )
    assert without_quotes_of(body, ["The key exchange has to come first."]) == "Yes, done."


def test_a_prompt_in_code_is_not_a_quotation() -> None:
    body = "```\n> the same words again\n```"
    assert without_quotes_of(body, ["the same words again"]) == body


@given(st.text(alphabet="#=->`~ \n\t<!ab{}*1.\r", max_size=80), st.integers(1, 5))
def test_any_text_can_be_cleaned(text: str, top: int) -> None:
    once = clean(text, top=top)
    assert "\r" not in once
    without_quotes_of(once, [once])


@pytest.mark.parametrize("body", ["", "\r\n", "<!-- only this -->"])
def test_a_body_without_text_gives_an_empty_string(body: str) -> None:
    assert clean(body, top=2) == ""
