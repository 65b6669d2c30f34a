from __future__ import annotations

from rag.sources.repository.rst import read_rst

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

**Note:** Mind the gap.

It is wide.

### Again {#again}

* one
* two

## Install {#install-1}

**A picture**

End."""


def test_headings_code_notes_and_marks() -> None:
    read = read_rst(SOURCE)

    assert read.title == "Introduction"
    assert read.markdown == EXPECTED


def test_plain_text_stays() -> None:
    assert read_rst("Only text.\n\nMore text.").markdown == "Only text.\n\nMore text."
