"""Small files in the syntax of generators, and what must and must not be made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.sources.markup.anchors import github
from rag.sources.markup.formats import format_of, read_text
from rag.sources.markup.markdown import Links
from tests.cases import Case, cases

CASES = Path(__file__).parents[3] / "fixtures" / "markup"
FILES = [(path.name.removesuffix(".txt"), case) for path in sorted(CASES.glob("*.txt")) for case in cases(path)]


@pytest.mark.parametrize(("file", "case"), FILES, ids=[case.name for _, case in FILES])
def test_a_file_is_read_as_its_readers_see_it(file: str, case: Case) -> None:
    text = read_text(format_of(file), case.text, Links(), github).markdown

    assert case.faults(text) == [], text
