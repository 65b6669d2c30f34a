"""A model may say in its own words that the sources do not answer."""

from __future__ import annotations

import pytest

from rag.answer.declining import declines, is_no_answer, without_declining
from tests.growth import takes_linear_time

# ruff: noqa: RUF001 - other scripts are the point
DECLINED = [
    "I could not find this in the sources.", "The given context doesn't say anything about Jira.", "N/A", "no answer.",
    "Sorry, but the documentation provided has no information about that.", "None of the sources mention it.",
    "Based on the sources, it's not possible to answer this question.", "The provided passages are silent on that.",
    "There is nothing in the sources about it.", "Not mentioned in the sources.", "No information available.",
    "I don't have enough information to answer.", "The sources provided do not specify a default.", "NO_ANSWER.",
    "Aus den Quellen geht das nicht hervor.", "Les sources ne le précisent pas.", "Las fuentes no lo mencionan.",
    "В источниках об этом не говорится.", "来源中没有提到。", "ソースには記載されていません。", "출처에 언급되지 않았습니다.",
    "De bronnen vermelden dit niet.", "Źródła o tym nie wspominają.", "Källorna nämner inte detta.",
    "Các nguồn không đề cập đến điều này.", "स्रोतों में इसका उल्लेख नहीं है।",
]  # fmt: skip
ANSWERED = [
    "Use pg_dump to write one database.", "A source without a cursor is read from its beginning.",
    "The documentation is built with Sphinx.", "There is no limit on the number of sources.",
    "It is possible to answer with extracts.", "The option has no effect on stored documents.",
    "Documents that are not listed by the sitemap are removed.", "Nothing is sent to the server.",
    "The text has three parts.", "Not all servers support it.",
]  # fmt: skip


@pytest.mark.parametrize("sentence", DECLINED)
def test_a_sentence_that_declines_is_recognised(sentence: str) -> None:
    assert declines(sentence) or is_no_answer(sentence)


@pytest.mark.parametrize("sentence", ANSWERED)
def test_a_sentence_that_answers_is_kept(sentence: str) -> None:
    assert not is_no_answer(sentence)
    assert without_declining(sentence) == (sentence, False)


@pytest.mark.parametrize("text", ["the sources ", "a ", "none of the ", "there is nothing in the ", "of the sources "])
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert takes_linear_time(without_declining, text)
