from __future__ import annotations

import pytest

from rag.sources.markup.markdown import read_markdown


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Getting started", "getting-started"),
        ("What's new in 2.0?", "whats-new-in-20"),
        ("The `--debug` option", "the---debug-option"),
        ("snake_case & kebab-case", "snake_case--kebab-case"),
        ("[Link](https://example.org) text", "link-text"),
        ("Über uns", "über-uns"),
        ("**Bold** move", "bold-move"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert read_markdown(f"# {heading}").markdown.endswith(f" {{#{anchor}}}")


def test_repeated_headings_are_counted() -> None:
    text = read_markdown("# Use\n\n## Example\n\n## Example\n").markdown

    assert text == "# Use {#use}\n\n## Example {#example}\n\n## Example {#example-1}"


def test_code_is_kept_verbatim() -> None:
    code = '```mdx\n# no heading\nimport x from "y"\n<!-- stays -->\n[a](b.md) {{< x >}}\n    indented\n\n\n\nfar\n```'

    assert read_markdown(code).markdown.startswith(code[: code.index("\n\n\n\n")])


def test_underlined_headings_are_headings() -> None:
    assert (
        read_markdown("Title\n=====\n\nPart\n----\n\nText.").markdown == "# Title {#title}\n\n## Part {#part}\n\nText."
    )


def test_a_rule_is_not_a_heading() -> None:
    assert "##" not in read_markdown("Text.\n\n---\n\nMore.\n\n- item\n---\n").markdown


@pytest.mark.parametrize(
    ("source", "title", "text"),
    [
        ("---\ntitle: Set up\n---\nText.", "Set up", "Text."),
        ('---\r\ntitle: "Set up"\r\n---\r\nText.', "Set up", "Text."),
        ('+++\ntitle = "Set up"\n+++\nText.', "Set up", "Text."),
        ("---\nText after a rule.", "", "---\nText after a rule."),
        ("# Set up\n\nText.", "Set up", "# Set up {#set-up}\n\nText."),
    ],
)
def test_the_title_is_that_of_the_front_matter_or_the_first_heading(source: str, title: str, text: str) -> None:
    read = read_markdown(source)

    assert (read.title, read.markdown) == (title, text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('import Tabs from "@theme/Tabs";\n\nText.', "Text."),
        ('<Tabs>\n<TabItem value="npm" label="npm">\n\nnpm install\n\n</TabItem>\n</Tabs>', "**npm**\n\nnpm install"),
        (":::note Mind\n\nText.\n\n:::", "**Mind:**\n\nText."),
        (":::warning\nText.\n:::", "**Warning:**\nText."),
        (
            '!!! tip "Mind"\n    Text.\n\n    ```python\n    x = 1\n    ```\n\nAfter.',
            "**Mind:**\nText.\n\n```python\nx = 1\n```\n\nAfter.",
        ),
        ('=== "Linux"\n\n    Text.\n\n=== "Mac"\n\n    More.', "**Linux**\n\nText.\n\n**Mac**\n\nMore."),
        ("> [!NOTE]\n> Text.", "> **Note:**\n> Text."),
        ("?> Save often.\n\n!> Never stop it.", "**Tip:** Save often.\n\n**Important:** Never stop it."),
        ("10<sup>-6</sup> s, x<sub>1</sub>, H<sub>2</sub>O", "10^-6 s, x_1, H2O"),
        ("5<sup>th</sup>, `a<sup>2</sup>`, a<sup>[1](#n)</sup>", "5th, `a<sup>2</sup>`, a1"),
        ("``` {.python .numberLines}\nx = 1\n```", "```python\nx = 1\n```"),
        ("<!-- a\ncomment -->\nText.", "Text."),
        (
            "See [the guide](../guide.md#x) and [us](https://example.org/x).",
            "See the guide and [us](https://example.org/x).",
        ),
        ("![A diagram](x.png) and ![build](https://img.shields.io/x)", "A diagram and "),
        ("{{< tabs >}}\nText.", "Text."),
        ("Use `[a](b.md)`.", "Use `[a](b.md)`."),
    ],
)
def test_generator_syntax_is_converted_or_removed(source: str, expected: str) -> None:
    assert read_markdown(source).markdown == expected


@pytest.mark.parametrize(
    "info", ['python title="client.py" linenums="1"', "python {1,2} filename='client.py'", "python client.py"]
)
def test_the_title_of_a_code_block_becomes_text(info: str) -> None:
    assert read_markdown(f"Text.\n```{info}\nx\n```").markdown == "Text.\n\n**client.py**\n\n```python\nx\n```"


def test_flags_of_a_fence_are_not_a_title() -> None:
    assert "**" not in read_markdown("```js showLineNumbers\nx\n```").markdown
