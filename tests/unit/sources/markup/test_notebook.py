"""Reading Jupyter notebooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rag.sources.markup.notebook import NotebookError, read_notebook


def code(source: str | list[str], *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": metadata}


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def read(*cells: dict[str, Any], language: str = "python") -> str:
    notebook = {"cells": list(cells), "metadata": {"kernelspec": {"language": language}}, "nbformat": 4}
    return read_notebook(json.dumps(notebook)).markdown


def test_text_code_and_output_follow_each_other() -> None:
    printed = {"output_type": "stream", "name": "stdout", "text": ["4\n"]}

    assert read(text("# Sums\n\nAdd:"), code(["x = 2\n", "x + x"], printed)) == (
        "# Sums {#sums}\n\nAdd:\n\n```python\nx = 2\nx + x\n```\n\n```text\n4\n```"
    )


@pytest.mark.parametrize(("kernel", "fence"), [("R", "r"), ("julia", "julia"), ("ipython", "python"), ("c++", "cpp")])
def test_code_is_in_the_language_of_the_kernel(kernel: str, fence: str) -> None:
    assert read(code("x"), language=kernel) == f"```{fence}\nx\n```"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ({"output_type": "execute_result", "data": {"text/plain": "   a\n0  1", "text/html": "<table>"}}, "   a\n0  1"),
        ({"output_type": "error", "ename": "KeyError", "evalue": "'k'", "traceback": ["\x1b[31mlong"]}, "KeyError: 'k'"),
        ({"output_type": "stream", "text": "\x1b[1mbold\x1b[0m\n10%\r100%\n"}, "bold\n100%"),
        ({"output_type": "pyout", "text": ["5"]}, "5"),
    ],
)  # fmt: skip
def test_the_text_of_an_output_is_shown(output: dict[str, Any], shown: str) -> None:
    assert read(code("x", output)) == f"```python\nx\n```\n\n```text\n{shown}\n```"


def test_images_and_hidden_parts_are_left_out() -> None:
    image = {"output_type": "display_data", "data": {"image/png": "iVBOR"}}
    printed = {"output_type": "stream", "text": "secret"}

    assert read(code("x", image), code("y", tags=["remove-cell"])) == "```python\nx\n```"
    assert read(code("y", printed, tags=["remove-input", "remove-output"]), text("A")) == "A"


def test_a_long_output_is_cut() -> None:
    assert len(read(code("x", {"output_type": "stream", "text": "line\n" * 10_000}))) < 5_000


def test_a_fence_that_a_cell_leaves_open_ends_with_the_cell() -> None:
    assert read(text("```\nopen"), text("## Next")).endswith("```\n\n## Next {#next}")


def test_a_notebook_of_version_3_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "T"},
        {"cell_type": "code", "language": "python", "input": "x", "outputs": []},
    ]

    assert read_notebook(json.dumps({"worksheets": [{"cells": cells}]})).markdown == "## T {#t}\n\n```python\nx\n```"


@pytest.mark.parametrize("source", ["", "no", "[]", "{}", '{"cells": 1}', "[" * 100_000])
def test_a_file_that_is_no_notebook_is_refused(source: str) -> None:
    with pytest.raises(NotebookError, match="not a Jupyter notebook"):
        read_notebook(source)


@pytest.mark.parametrize(
    "cell", [1, None, [], {}, {"cell_type": "code", "source": {"a": 1}, "outputs": [7, {"data": 3}]}]
)
def test_a_strange_cell_is_skipped(cell: Any) -> None:
    source = json.dumps({"cells": [cell, text("A")], "n": 1}).replace('"n": 1', f'"n": {"9" * 5000}')

    assert read_notebook(source).markdown == "A"
