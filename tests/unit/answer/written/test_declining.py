"""A model may say in its own words that the sources do not answer."""

from __future__ import annotations

import pytest

from rag.answer.written.declining import declines, is_no_answer, may_decline, without_declining
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
    "Các nguồn không đề cập đến điều này.", "स्रोतों में इसका उल्लेख नहीं है।", "Not enough information.",
    "The information provided is insufficient to answer the question.", "There's no information about that in the sources.",
    "I don’t see any mention of this in the sources.", "The answer is not in the sources.", "Neither source answers the question.",
    "The sources [1][2] do not discuss this.", "In the provided sources, there is no mention of this.", "It's not mentioned.",
    "Leider enthalten die Quellen keine Antwort.", "Je ne trouve pas la réponse dans les sources.", "Aucune source ne répond à cette question.",
    "No hay información sobre eso en las fuentes.", "Não há informações sobre isso nas fontes.", "Non ci sono informazioni nelle fonti.",
    "В предоставленных источниках нет информации об этом.", "根据提供的资料，无法回答这个问题。", "資料に見つかりませんでした。",
    "لا توجد معلومات حول ذلك في المصادر.", "Kaynaklar bu soruyu yanıtlamıyor.",
]  # fmt: skip
ANSWERED = [
    "Use pg_dump to write one database.", "A source without a cursor is read from its beginning.",
    "The documentation is built with Sphinx.", "There is no limit on the number of sources.",
    "It is possible to answer with extracts.", "The option has no effect on stored documents.",
    "Documents that are not listed by the sitemap are removed.", "Nothing is sent to the server.",
    "The text has three parts.", "Not all servers support it.", "The sources of the package do not contain binaries.",
    "The context does not include the build folder unless you copy it.", "The information schema does not contain indexes.",
    "The document does not have a title until it is saved.", "It cannot be found by the resolver.", "There is no way to undo this.",
    "The article command does not have a flag.", "Die Quellen müssen nicht installiert werden.", "资料库没有默认密码。",
]  # fmt: skip


@pytest.mark.parametrize("sentence", DECLINED)
def test_a_sentence_that_declines_is_recognised(sentence: str) -> None:
    assert declines(sentence) or is_no_answer(sentence) or may_decline(sentence)


@pytest.mark.parametrize("sentence", ANSWERED)
def test_a_sentence_that_answers_is_kept(sentence: str) -> None:
    assert not is_no_answer(sentence)
    assert without_declining(sentence) == (sentence, False)


@pytest.mark.parametrize(
    "sentence",
    [
        "The default is 14.",
        "Use --frobnicate [2].",
        "The server does not restart.",
        "设置为 14。",
        "The docs do not mention a limit, so it is unlimited.",
        "The sources do not state a default, but it is 14 MB [1].",
        "The documentation doesn't list it; use --frobnicate [1].",
        "No source names the port; it is 7777.",
        "Although the sources don't say so, the server listens on port 9999 [1].",
    ],
)
def test_a_claim_that_no_source_supports_declines_nothing(sentence: str) -> None:
    assert not may_decline(sentence)
    assert without_declining(sentence) == (sentence, False)


@pytest.mark.parametrize(
    "text", ["the sources ", "not ", "a ", "none of the ", "there is nothing in the ", "of the sources "]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    assert takes_linear_time(lambda part: (without_declining(part), may_decline(part)), text)
