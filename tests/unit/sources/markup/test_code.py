"""A Markdown parser reads written code unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.sources.markup.code import code_span, fenced


@given(st.text(st.sampled_from("`a \n"), max_size=20))
def test_a_fence_is_longer_than_the_backticks_in_the_code(code: str) -> None:
    tokens = MarkdownIt("commonmark").parse(fenced(code, "python"))

    assert [(token.type, token.info, token.content) for token in tokens] == [("fence", "python", f"{code}\n")]


@given(st.text(st.sampled_from("`ab"), min_size=1, max_size=12))
def test_a_span_is_longer_than_the_backticks_in_the_code(code: str) -> None:
    inline = MarkdownIt("commonmark").parseInline(code_span(code))[0]

    assert [(token.type, token.content) for token in inline.children or []] == [("code_inline", code)]


@pytest.mark.parametrize(("code", "expected"), [("", ""), ("a", "`a`"), ("a`b", "`` a`b ``")])
def test_code_spans(code: str, expected: str) -> None:
    assert code_span(code) == expected
