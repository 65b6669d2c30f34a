"""Reading files in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rag.sources.markup.anchors import github
from rag.sources.markup.formats import Format, UnreadableTextError, format_of, read_text
from rag.sources.markup.limited import LimitedReader
from rag.sources.markup.markdown import Links, Named


class Known(Links):
    """Links that only the process which asks can resolve."""

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        return f"https://example.org/{target}" if target.lstrip("#") in anchors or target == "a" else None

    def image(self, target: str) -> str | None:
        return f"https://example.org/{target}"

    def included(self, target: str) -> str | None:
        return f"{target} is here." if target == "part.rst" else None

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        return Named(labels[name], f"https://example.org/#{anchors[name]}") if name in labels else None


RST = "T\n=\n\n`x <a>`_ :ref:`l` `y <#t>`_\n\n.. image:: i.png\n   :alt: I\n\n.. include:: part.rst\n\n.. _l:\n\nU\n-\n\nEnd.\n"


def test_a_file_reads_the_same_as_in_this_process() -> None:
    with LimitedReader() as reader:
        first = reader.read(Format.RST, RST, Known(), github)
        second = reader.read(Format.MARKDOWN, "# T\n\n[x](a)\n\n" + "word " * 5_000, Known(), github)

    assert first == read_text(Format.RST, RST, Known(), github)
    assert "[U](https://example.org/#u)" in first.markdown
    assert "[x](https://example.org/a)" in second.markdown


def test_a_file_that_takes_too_long_fails_alone() -> None:
    # Needs the second that it is given.
    hostile = "\n".join(f"{' ' * (n % 80)}* a" for n in range(20_000))

    with LimitedReader(seconds=1) as reader:
        with pytest.raises(UnreadableTextError, match="more than 1 seconds"):
            reader.read(Format.RST, hostile, Links(), github)
        assert reader.read(Format.RST, "T\n=\n", Links(), github).title == "T"


def test_a_file_that_breaks_its_parser_fails_alone() -> None:
    with LimitedReader() as reader:
        with pytest.raises(UnreadableTextError, match="not a Jupyter notebook"):
            reader.read(Format.NOTEBOOK, "{}", Links(), github)
        assert reader.read(Format.NOTEBOOK, '{"cells": []}', Links(), github).markdown == ""


def test_an_error_of_a_link_reaches_the_caller() -> None:
    class Broken(Links):
        def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
            raise KeyError(target)

    with LimitedReader() as reader, pytest.raises(KeyError, match=r"a\.rst"):
        reader.read(Format.RST, "`x <a.rst>`_\n", Broken(), github)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.md", Format.MARKDOWN), ("b/A.MDX", Format.MDX), ("c.rst", Format.RST), ("d.ipynb", Format.NOTEBOOK), ("LICENSE", Format.MARKDOWN)],
)  # fmt: skip
def test_the_suffix_tells_the_format(path: str, kind: Format) -> None:
    assert format_of(path) is kind
