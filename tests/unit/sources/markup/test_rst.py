"""Converting reStructuredText to Markdown."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from rag.sources.markup.rst import UnparsableError, read_rst

SOURCE = """\
.. _intro:

============
Introduction
============

Use ``make`` or :ref:`the guide <guide>`; see `the site <https://example.org>`_.

Install
-------

Run this::

    pip install x

      deeper

.. code-block:: python
   :linenos:

   import x

.. note:: Mind the gap.

   It is wide.

.. comment that nobody sees
   at all

Again
~~~~~

* one
* two

Install
-------

.. image:: x.png
   :alt: A picture

End.
"""

EXPECTED = """\
# Introduction {#introduction}

Use `make` or the guide; see [the site](https://example.org).

## Install {#install}

Run this:

```
pip install x

  deeper
```

```python
import x
```

**Note:**

Mind the gap.

It is wide.

### Again {#again}

- one
- two

## Install {#install-1}

A picture

End."""


def test_headings_code_notes_and_marks() -> None:
    read = read_rst(SOURCE)

    assert read.title == "Introduction"
    assert read.markdown == EXPECTED


def test_plain_text_is_unchanged() -> None:
    assert read_rst("Only text.\n\nMore text.").markdown == "Only text.\n\nMore text."


def test_directives_and_roles_of_any_extension() -> None:
    source = """\
Title
=====

.. py:function:: connect(url, *, timeout=10)

   Open a connection with :py:class:`~net.Pool`, :kbd:`Ctrl+C` or :made:`up`.

.. made-up:: argument
   :option: 1

   Its content.

.. tab-set::

   .. tab-item:: pip

      .. code-block:: console
         :caption: Install

         $ pip install x

.. versionadded:: 2.1
   The *timeout*.

.. toctree::

   other
"""
    assert read_rst(source).markdown == (
        "# Title {#title}\n\n`connect(url, *, timeout=10)`\nOpen a connection with `Pool`, `Ctrl+C` or up.\n\n"
        "`argument`\nIts content.\n\n**pip**\n\n**Install**\n\n```console\n$ pip install x\n```\n\n"
        "**Added in version 2.1:**\n\nThe *timeout*."
    )


def test_tables_lists_and_substitutions() -> None:
    source = """\
|version| is out [1]_.

=====  =====
Name   Value
=====  =====
a      1
b      2
=====  =====

Term
   Its meaning.

.. |version| replace:: 3.0
.. [1] A note.
"""
    assert read_rst(source).markdown == (
        "3.0 is out [1].\n\n| Name | Value |\n| --- | --- |\n| a | 1 |\n| b | 2 |\n\n"
        "**Term**\nIts meaning.\n\n[1] A note."
    )


def test_directives_do_not_read_local_files(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hunter2")
    source = "\n\n".join(
        f".. {directive}:: {option}{tmp_path / 'secret.txt'}"
        for directive, option in [
            ("include", ""), ("literalinclude", ""), ("csv-table", "x\n   :file: "), ("raw", "html\n   :file: "),
        ]
    )  # fmt: skip
    assert "hunter2" not in read_rst(source).markdown


@pytest.mark.parametrize(
    "source", [".. note::\n" * 3000, "*" * 50_000, ".. |a| replace:: |b|\n.. |b| replace:: |a|\n\n|a|"]
)
def test_hostile_input_raises_at_most_unparsable_error(source: str) -> None:
    with contextlib.suppress(UnparsableError):
        read_rst(source)
