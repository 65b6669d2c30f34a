"""The token estimate, compared with a real tokenizer, and the cuts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from llama_index.core.utils import get_tokenizer

from rag.mcp.budget import cut, fitted, listed, tokens, tokens_of

ROOT = Path(__file__).parents[3]
TEXTS = {
    "prose": (ROOT / "docs/ask.md").read_text(),
    "code": (ROOT / "rag/mcp/budget.py").read_text(),
    "SQL": (ROOT / "sql/queries/search.sql").read_text(),
    "JSON": json.dumps({"results": [{"text": (ROOT / "docs/operate.md").read_text()}]}),
    "HTML": (ROOT / "tests/fixtures/docs/plain.html").read_text(),
    "hashes": " ".join(f"{number * 7919:064x}" for number in range(1, 40)),
    "Chinese": "数据库备份需要多长时间取决于数据量的大小和磁盘的速度。" * 20,
    "Russian": "Сколько времени занимает резервное копирование базы данных?" * 20,
    "emojis": "🙂🎉🚀" * 100,
    "blanks": "a\n\n\n\n        b" * 50,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_estimate_is_not_below_the_count_of_a_tokenizer(text: str) -> None:
    counted = len(get_tokenizer()(text))
    assert counted <= tokens(text) <= 3 * counted


def test_a_text_is_cut_to_a_number_of_tokens() -> None:
    text = TEXTS["prose"]
    short = cut(text, 100)
    assert tokens(short.removesuffix(" …")) <= 100
    assert text.startswith(short.removesuffix(" …"))
    assert cut(short, 1000) == short


def test_a_list_holds_what_fits() -> None:
    entries = [{"text": "word " * 100} for _ in range(10)]
    reply = listed(entries, 500, name="results")
    assert 0 < len(reply["results"]) < 10
    assert reply["left_out"] == 10 - len(reply["results"])
    assert tokens_of(reply) <= 500
    assert listed(entries, 5000, name="results") == {"results": entries}


def test_the_first_entry_is_cut_rather_than_left_out() -> None:
    reply = listed([{"id": "1", "text": '"quoted"\n' * 1000}], 500, name="results")
    assert reply["results"][0]["text"]
    assert tokens_of(reply) <= 500


def test_a_reply_is_shortened_step_by_step() -> None:
    steps = [lambda reply: {"text": reply["text"][: len(reply["text"]) // 2]}] * 5
    reply = fitted({"text": "word " * 100}, 60, steps)
    assert 20 < tokens_of(reply) <= 60
