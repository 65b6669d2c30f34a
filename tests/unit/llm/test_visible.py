"""What a reader sees of a reply: no thoughts, no special tokens, nothing around the whole."""

from __future__ import annotations

from contextlib import suppress

import pytest

from rag.llm.visible import UnfinishedThought, visible, visible_lines
from tests.growth import takes_linear_time

SAID = "Use pg_dump to write one database [1]."
THOUGHT = "Okay, source [1] says so.\n\nWait, maybe [2]?"

THOUGHTS = {
    "think": f"<think>\n{THOUGHT}\n</think>\n\n{SAID}",
    "empty": f"<think>\n\n</think>\n\n{SAID}",
    "closing tag only": f"{THOUGHT}\n</think>\n\n{SAID}",
    "thinking": f"<thinking>{THOUGHT}</thinking>{SAID}",
    "upper case": f"<THINK>{THOUGHT}</THINK>{SAID}",
    "attributes": f'<thought budget="9">{THOUGHT}</thought>\n{SAID}',
    "Magistral": f"[THINK]{THOUGHT}[/THINK]{SAID}",
    "Kimi": f"◁think▷{THOUGHT}◁/think▷{SAID}",
    "Cohere": f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
    "Seed": f"<seed:think>{THOUGHT}</seed:think>{SAID}",
    "Sky-T1": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>\n<|begin_of_solution|>\n{SAID}\n<|end_of_solution|>",
    "harmony": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}<|return|>",
    "harmony, commentary": f"<|channel|>commentary to=x<|message|>{THOUGHT}<|end|><|channel|>final<|message|>{SAID}",
    "harmony, final only": f"{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
    "harmony without tokens": f"analysisWe need the source. {THOUGHT}assistantfinal{SAID}",
    "Gemma": f"<unused94>thought\n{THOUGHT}<unused95>{SAID}",
    "Granite": f"Here is my thought process:\n{THOUGHT}\n\nHere is my response:\n{SAID}",
    "details": f'<details type="reasoning" done="true">\n<summary>Thought</summary>\n{THOUGHT}\n</details>\n{SAID}',
    "answer in tags": f"<think>{THOUGHT}</think><answer>{SAID}</answer>",
    "two thoughts": f"<think>{THOUGHT}</think>\n<think>{THOUGHT}</think>\n{SAID}",
    "unfinished at the end": f"{SAID}\n<think>{THOUGHT}",
}
WRAPPERS = {
    "end of turn": f"{SAID}<|im_end|>",
    "end of sequence": f"{SAID}</s>",
    "Llama": f"{SAID}<|eot_id|>",
    "Gemma": f"{SAID}<end_of_turn>",
    "DeepSeek": f"{SAID}<\uff5cend\u2581of\u2581sentence\uff5c>",
    "text after the end": f"{SAID}<|endoftext|>Human: What else?\nAssistant: Nothing [2].",
    "beginning of turn": f"<|im_start|>assistant\n{SAID}",
    "markdown": f"```markdown\n{SAID}\n```",
    "md": f"~~~md\n{SAID}\n~~~",
    "fence": f"```\n{SAID}\n```",
    "text": f"\n```text\n{SAID}\n```\n",
    "unclosed": f"```markdown\n{SAID}",
    "tags": f"<answer>\n{SAID}\n</answer>",
    "JSON": f'{{"answer": "{SAID}"}}',
    "JSON in a fence": f'```json\n{{"sources": [1], "response": "{SAID}"}}\n```',
    "label": f"**Answer:** {SAID}",
    "role in a line": f"assistant\n\n{SAID}",
    "role and its token": f"assistant<|end_header_id|>\n\n{SAID}",
    "byte order mark": f"\ufeff{SAID}",
    "final": f"<final>{SAID}</final>",
    "HTML in a fence": f"```html\n{SAID}\n```",
    "reasoning in labelled paragraphs": f"**Reasoning:** {THOUGHT}\n\n**Answer:** {SAID}",
    "ReAct": f"Thought: {THOUGHT}\nAction: none\nFinal Answer: {SAID}",
    "boxed": f"\\boxed{{{SAID}}}",
    "echoed prompt": f"[INST] What is it? [/INST] {SAID}",
    "list in JSON": f'[{{"sentence": "{SAID}"}}]',
    "answers in JSON": f'{{"answers": ["{SAID}"]}}',
    "answer within an answer in JSON": f'{{"response": {{"text": "{SAID}"}}}}',
}
UNCHANGED = [
    SAID,
    "```sh\npg_dump mydb > mydb.sql\n```\n\n[1]",
    "Use `<think>` for thoughts and `</s>` at the end [1].",
    "```html\n<thinking>a tag</thinking>\n```\n\nThat is all [1].",
    "The keys are {a} and [b] [1].",
    "One [1].\n\nTwo [2].\n\n- three\n- four [1]",
    "One [1]. Two `a. b. c [2]. D` e.g. three! [3] Four? 一。二 [4]。三",
]


@pytest.mark.parametrize("reply", [*THOUGHTS.values(), *WRAPPERS.values()], ids=[*THOUGHTS, *WRAPPERS])
def test_only_the_answer_of_a_reply_is_visible(reply: str) -> None:
    assert visible(reply).strip() == SAID
    assert streamed(reply).strip() == SAID


@pytest.mark.parametrize("reply", UNCHANGED)
def test_an_answer_is_unchanged(reply: str) -> None:
    assert visible(reply) == reply
    assert streamed(reply) == reply


def streamed(reply: str) -> str:
    return "".join(visible_lines(list(reply), at_once=True))


def test_a_thought_that_does_not_end_leaves_no_answer() -> None:
    for reply in (f"<think>{THOUGHT}", f"[THINK]{THOUGHT}", f"<|channel|>analysis<|message|>{THOUGHT}"):
        with pytest.raises(UnfinishedThought):
            visible(reply)


def test_lines_are_streamed_as_soon_as_they_are_no_thought() -> None:
    def pieces():
        for line in ("Use pg_dump [1].\n", "\n", "Then psql [2].\n"):
            read.append(line)
            yield line

    read: list[str] = []
    lines = visible_lines(pieces(), at_once=True)
    assert next(lines) == "Use pg_dump [1].\n"
    assert len(read) == 1


def test_a_sentence_is_streamed_as_soon_as_another_follows() -> None:
    pieces = iter(["Use", " pg_dump", " [1].", " Then", " psql", " [2].", "\n"])
    lines = visible_lines(pieces, at_once=True)
    assert next(lines) == "Use pg_dump [1]. T"
    assert next(pieces) == " psql"


@pytest.mark.parametrize(
    "text",
    ["<think>", "<", "\n", "```\n", "<|", "[THINK]", "</think>", "{", "a ", "`", "analysisA", "a. B", ". ", "`a. B"],
)
def test_hostile_replies_take_linear_time(text: str) -> None:
    assert takes_linear_time(read_both_ways, text)


def read_both_ways(text: str) -> None:
    with suppress(UnfinishedThought):
        visible(text)
        streamed(text)
