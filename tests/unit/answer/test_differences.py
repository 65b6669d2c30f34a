"""What an answer says that the same page of another version does not say."""

from __future__ import annotations

from rag.answer.answer import Answer
from rag.answer.differences import unsaid
from rag.store.documents import DocumentRow

NEW = "# Cursor\n\n`arraysize`\n\nThe number of rows to fetch. The default is `64`.\n\n## Fetch\n\nFetches the rows."
OLD = NEW.replace("64", "1")


def page(text: str) -> DocumentRow:
    return DocumentRow("id", "manual", "page", "https://docs.example.org/cursor.html", "Cursor", text, {}, "")


def answer(text: str) -> Answer:
    return Answer(question="?", answered=True, answer=text, sources=(), embedding_model="", llm="")


def test_the_last_sentence_of_a_block_is_compared_alone() -> None:
    said = answer("The number of rows to fetch. The default is `64`. [1]\n\n**Fetch**\n\nFetches the rows. [2]")
    assert unsaid(said, page(NEW), page(OLD))[0] == "The default is `64`."


def test_an_answer_from_what_both_pages_say_differs_in_nothing() -> None:
    said = answer("The number of rows to fetch. [1]\n\n**Fetch**\n\nFetches the rows. [2]")
    assert unsaid(said, page(NEW), page(OLD)) == []
