"""Chunks follow the document's structure, fit the embedding model, and link to their place on the page."""

# ruff: noqa: RUF001 - the text of many scripts

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import Document, MetadataMode, TextNode

from rag.ingest.chunking import MarkdownChunker, without_addresses


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def cut(text: str, *, max_tokens: int = 60, merge_below: int = 0, title: str = "Guide") -> list[TextNode]:
    page = Document(id_="docs:1", text=text, metadata={"url": "https://x.org/guide", "title": title, "kind": "page"})
    chunker = MarkdownChunker(count, max_tokens=max_tokens, merge_below=merge_below)
    return [node for node in chunker.get_nodes_from_documents([page]) if isinstance(node, TextNode)]


def test_a_chunk_has_the_link_of_its_heading_and_the_path_of_titles() -> None:
    install, use = cut("# Guide\n\n## Install {#install}\n\nRun it.\n\n## Use {#use}\n\n### Daily\n\nAgain.")
    assert (install.metadata["url"], install.metadata["heading"]) == ("https://x.org/guide#install", "Guide › Install")
    assert use.metadata["heading"] == "Guide › Use › Daily"
    assert install.text == "Run it."


def test_the_heading_path_is_the_only_embedded_metadata() -> None:
    (node,) = cut("## Install {#i}\n\nRun it.")
    assert node.get_content(MetadataMode.EMBED) == "Guide › Install\n\nRun it."


def test_a_heading_in_a_code_block_is_code() -> None:
    (node,) = cut("Before.\n\n```sh\n# not a heading {#no}\n\nmake\n```\n\nAfter.")
    assert "# not a heading {#no}" in node.text


def test_inline_code_in_three_backticks_does_not_open_a_fence() -> None:
    assert [node.metadata["heading"] for node in cut("```make``` runs it.\n\n## Use\n\nAgain.")] == [
        "Guide",
        "Guide › Use",
    ]


def test_long_code_is_split_between_lines_and_stays_fenced() -> None:
    lines = [f"command_{number} --option value" for number in range(40)]
    nodes = cut("```sh\n" + "\n".join(lines) + "\n```")
    assert len(nodes) > 1
    assert all(node.text.startswith("```sh\n") and node.text.endswith("\n```") for node in nodes)
    assert [line for node in nodes for line in node.text.split("\n")[1:-1]] == lines


def test_a_long_table_repeats_its_header() -> None:
    rows = [f"| option {number} | what it does |" for number in range(30)]
    nodes = cut("| name | meaning |\n| --- | --- |\n" + "\n".join(rows))
    assert len(nodes) > 1
    assert all(node.text.startswith("| name | meaning |\n| --- | --- |\n") for node in nodes)


def test_a_numbered_list_is_not_split_after_a_number() -> None:
    items = [f"{number}. Turn the handle {number} times. Wait until it clicks." for number in range(1, 40)]
    nodes = cut("\n".join(items))
    assert len(nodes) > 1
    assert not [node.text for node in nodes if re.search(r"\n\d+\.$", node.text)]
    assert re.findall(r"^\d+\. Turn", "\n".join(node.text for node in nodes), re.M) == [
        f"{number}. Turn" for number in range(1, 40)
    ]


def test_short_sections_are_joined_and_keep_their_anchors() -> None:
    (node,) = cut("## A {#a}\n\nYes.\n\n## B {#b}\n\nNo.", merge_below=20)
    assert node.metadata["url"] == "https://x.org/guide#a"
    ((start, first), (offset, second)) = node.metadata["anchors"]
    assert (start, first, second) == (0, "a", "b")
    assert node.text[offset:].startswith("## B")


def test_a_chunk_links_to_the_anchor_of_its_first_paragraph() -> None:
    text = "## Settings {#settings}\n\n" + "\n\n".join(f"`s{n}` does this and that. {{#s{n}}}" for n in range(12))
    nodes = cut(text, max_tokens=40)
    assert len(nodes) > 2
    for node in nodes:
        first = re.match(r"`(s\d+)`", node.text)
        assert first
        assert node.metadata["url"] == f"https://x.org/guide#{first[1]}"
    assert "{#" not in "".join(node.text for node in nodes)


def test_a_line_with_an_anchor_becomes_a_heading() -> None:
    text = "## Memory {#memory}\n\n**shared_buffers** (integer) {#sb}\n\nHow much is cached.\n\n`work_mem` {#wm}\n\nPer sort."
    nodes = cut(text)
    assert [(node.metadata["heading"], node.text) for node in nodes] == [
        ("Guide › Memory › shared_buffers (integer)", "**shared_buffers** (integer)\nHow much is cached."),
        ("Guide › Memory › work_mem", "`work_mem`\nPer sort."),
    ]
    assert nodes[1].metadata["url"] == "https://x.org/guide#wm"


def test_chunk_ids_depend_only_on_their_content() -> None:
    before = {node.node_id for node in cut("## A\n\nOne.\n\n## B\n\nTwo.")}
    after = {node.node_id for node in cut("## New\n\nFirst.\n\n## A\n\nOne.\n\n## B\n\nTwo, edited.")}
    assert len(before & after) == 1


def test_equal_chunks_of_one_document_get_different_ids() -> None:
    nodes = cut("## A\n\nSame.\n\n## A\n\nSame.")
    assert len({node.node_id for node in nodes}) == 2


def test_an_empty_document_has_no_chunks() -> None:
    assert cut("") == []
    assert cut("# Only a title\n") == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=300),
            st.sampled_from(
                ["# H {#h}", "## " + "long title " * 60, "```", "| a | b |\n| - | - |\n" + "| x | y |\n" * 50]
            ),
            st.text(alphabet="ab ", min_size=200, max_size=2000),
        ),
        max_size=12,
    )
)
def test_every_chunk_fits_the_embedding_model(blocks: list[str]) -> None:
    for node in cut("\n\n".join(blocks), max_tokens=60, merge_below=10):
        assert count(node.get_content(MetadataMode.EMBED)) <= 60
        assert node.text.strip()


def test_a_heading_without_an_anchor_has_the_link_of_the_heading_above_it() -> None:
    first, second = cut("## Use {#use}\n\nRead on.\n\n### Daily\n\nAgain.")
    assert [node.metadata["url"] for node in (first, second)] == ["https://x.org/guide#use"] * 2


def test_a_chunk_lists_the_authors_of_its_comments_and_whether_they_answer() -> None:
    said = (
        'It breaks.\n\n## Comment by ann {#c-1 author="ann" association="none"}\n\nSame here.\n\n'
        '## Comment by bob {#c-2 author="bob" association="member" answer="maintainer"}\n\nSet x.'
    )
    [node] = cut(said, merge_below=60)
    assert node.metadata["passages"] == [
        [node.text.index("## Comment by ann"), {"author": "ann", "association": "none"}],
        [node.text.index("## Comment by bob"), {"author": "bob", "association": "member", "answer": "maintainer"}],
    ]
    assert node.metadata["answer"] == "maintainer"
    assert "author=" not in node.text
    assert node.get_content(MetadataMode.EMBED) == f"Guide\n\n{node.text}"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("See [the guide](https://x.org/a_(b)#c 'Title') now.", "See [the guide] now."),
        ("![A dialog](/img/a.png) and [this](#below) and [that](../up.md).", "![A dialog] and [this] and [that]."),
        ("Call `f[0](x)` or a[i](j), and https://x.org stays.", "Call `f[0](x)` or a[i](j), and https://x.org stays."),
    ],
)
def test_addresses_of_links_are_not_embedded(text: str, read: str) -> None:
    assert without_addresses(text) == read


def test_a_heading_keeps_a_hash_that_belongs_to_a_name() -> None:
    (node,) = cut("# C# {#c}\n\nA language.", title="C#")
    assert node.metadata["heading"] == "C#"


LONG = " ".join(f"Sentence number {number} says what it does." for number in range(20))


@pytest.mark.parametrize(
    ("text", "term"),
    [
        (f"`--only-untracked` {{#o}}\n\n{LONG}", "`--only-untracked`"),
        (f"**--only-untracked**\n{LONG}", "**--only-untracked**"),
        (f"`-u` {{#u}}\n\n`--include-untracked` {{#i}}\n\n{LONG}", "`-u`\n`--include-untracked`"),
        (f"**a**, **b**\n{LONG}", "**a**, **b**"),
        (f"**a** {{#a}}\n\n{LONG}\n\n{LONG}", "**a**"),
        ("`a` {#a}\n\n```sh\n" + "\n".join(f"run {n} now" for n in range(30)) + "\n```", "`a`"),
        (f"**a**\nShort.\n\n{LONG}\n\n**b**\nIts own.", "**a**"),
    ],
)
def test_every_part_of_a_definition_begins_with_its_term(text: str, term: str) -> None:
    nodes = cut(text)
    assert len(nodes) > 1
    assert all(node.text.startswith((term, "**b**")) for node in nodes)


def test_definitions_that_share_a_chunk_keep_their_terms() -> None:
    text = "## Options {#o}\n\n" + "\n\n".join(f"`--o{n}` {{#o{n}}}\n\nSets {n}." for n in range(4))
    (node,) = cut(text, merge_below=30)
    assert node.metadata["heading"] == "Guide › Options"
    assert node.text == "\n\n".join(f"`--o{n}`\nSets {n}." for n in range(4))
    assert [fragment for _, fragment in node.metadata["anchors"]] == ["o0", "o1", "o2", "o3"]


def test_terms_without_a_definition_are_text() -> None:
    (node,) = cut("## Index {#i}\n\n`a` {#a}\n\n`b` {#b}\n\n## Next\n\nText.", merge_below=50)
    assert "`a`\n\n`b`" in node.text


def test_the_label_of_code_stays_with_it() -> None:
    code = "```sh\n" + "\n".join(f"run {n} now" for n in range(12)) + "\n```"
    nodes = cut(f"{LONG[:150]}\n\n**npm**\n\n{code}")
    assert next(node.text for node in nodes if "run 0" in node.text).startswith("**npm**\n\n```sh")


@pytest.mark.parametrize("columns", [12, 30, 60])
@pytest.mark.parametrize("bar", ["|", ""])
def test_no_chunk_is_the_rule_of_a_table(columns: int, bar: str) -> None:
    lines = [" | ".join(f"{word}{n}" for n in range(columns)) for word in ("head", "a", "b")]
    lines.insert(1, " | ".join([":---"] * columns))
    for node in cut("\n".join(f"{bar} {line} {bar}".strip() for line in lines)):
        assert re.search(r"\w", node.text)


@pytest.mark.parametrize(
    ("sentence", "end"),
    [
        ("这一句说明如何安装软件并设置路径。", "。"),
        ("これは設定ファイルを変更する方法です。", "。"),
        ("Это предложение говорит, как установить программу.", "."),
        ("هذه الجملة تشرح كيفية تثبيت البرنامج.", "."),
        ("هل تعرف كيف تثبت هذا البرنامج؟", "؟"),
        ("यह वाक्य बताता है कि प्रोग्राम कैसे लगाएँ।", "।"),
        ("이 문장은 프로그램을 설치하는 방법을 설명합니다.", "."),
        ("Αυτή η πρόταση εξηγεί την εγκατάσταση.", "."),
        ("ይህ ዓረፍተ ነገር ፕሮግራሙን ያብራራል።", "።"),
    ],
)
def test_chunks_end_where_a_sentence_of_any_script_ends(sentence: str, end: str) -> None:
    space = "" if end == "。" else " "
    page = Document(id_="1", text=space.join([sentence] * 30), metadata={"url": "u", "title": "T"})
    nodes = MarkdownChunker(len, max_tokens=150).get_nodes_from_documents([page])
    assert len(nodes) > 3
    assert all(node.get_content(MetadataMode.NONE).rstrip().endswith(end) for node in nodes)


def test_a_long_sentence_without_spaces_is_cut_at_a_comma() -> None:
    page = Document(id_="1", text="安装软件，" * 60, metadata={"url": "u", "title": "T"})
    nodes = MarkdownChunker(len, max_tokens=100).get_nodes_from_documents([page])
    assert all(node.get_content(MetadataMode.NONE).endswith("，") for node in nodes)


def test_sections_too_short_to_stand_alone_share_a_chunk_that_names_each() -> None:
    (node,) = cut(
        "# SDKs\n\n## C#\n\nCall `Client.Open()`.\n\n## C\n\nCall `client_open()`.", merge_below=48, title="SDKs"
    )

    assert node.metadata["heading"] == "SDKs"
    assert [line for line in node.text.split("\n") if line.startswith("#")] == ["## C#", "## C"]


def test_sections_that_are_long_enough_keep_their_headings() -> None:
    nodes = cut(
        "# SDKs\n\n## C#\n\nCall `Client.Open()`.\n\n## C\n\nCall `client_open()`.", merge_below=2, title="SDKs"
    )

    assert [node.metadata["heading"] for node in nodes] == ["SDKs › C#", "SDKs › C"]


def test_two_sections_of_a_few_sentences_stand_alone() -> None:
    sentences = "Call it with the address of the service and a key. " * 3
    text = f"# SDKs\n\n## C#\n\n{sentences}\n\n## C\n\n{sentences}"
    page = Document(id_="1", text=text, metadata={"url": "u", "title": "SDKs"})
    nodes = MarkdownChunker(count).get_nodes_from_documents([page])

    assert [node.metadata["heading"] for node in nodes] == ["SDKs › C#", "SDKs › C"]


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        (f"| Flag | Use |\n|---|---|\n| `-a` | {LONG} |", "| `-a` |"),
        (f"|   |   |\n|---|---|\n| a \\| b | int | {LONG} |", "| a \\| b |"),
        (f"- **-a**: {LONG}\n- **-a**: Again.", "- **-a**:"),
        (f"- `-a` (int) – {LONG}", "- `-a` (int) –"),
        (f"**param a:** {LONG}", "**param a:**"),
        (f"- `-a`\n\n  {LONG}\n\n  {LONG}", "`-a`"),
        (f"**-a**\n{LONG}\n\n```\nx -a\n```\n\n  {LONG}", "**-a**"),
        (f"`run(x)` {{#run}}\nRuns.\n\n{LONG}\n\n**Returns:**\n{LONG}", "`run(x)`"),
        (f"`run(x)` {{#run}}\n{LONG}\n\n**Parameters:**\n\n- **x** – {LONG[:150]}", "`run(x)`"),
    ],
)  # fmt: skip
def test_every_part_names_the_row_the_item_or_the_signature_that_it_belongs_to(text: str, lead: str) -> None:
    nodes = cut(text)
    assert len(nodes) > 2
    assert [node.text for node in nodes if lead not in node.text] == []


def test_items_that_fit_are_not_cut() -> None:
    items = [f"- **-{name}**: Says what it does. Then says why. Then says how.\n" for name in "abcdefgh"]
    nodes = cut("".join(items))
    assert len(nodes) > 2
    assert all(node.text.startswith("- **") and node.text.endswith("how.") for node in nodes)
