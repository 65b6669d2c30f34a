"""Values of the asker's own in a question, such as a host, a path or a number: sources need not have them to answer."""

from __future__ import annotations

import re

__all__ = ["own_values", "without_own_values"]

_VALUE = re.compile(
    r"""
    (?<![\w+.-])[a-z][a-z0-9+.-]*://\S+  # an address
    | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+  # an e-mail address
    # a host
    | (?<![\w.-])(?:[\w-]+\.)+(?:example|com|org|net|io|dev|local|localhost|internal|test|lan|de|fr|uk)\b(?!\()
    | (?<![\w/<])(?:~|\.{1,2})?/[\w.@+-]+(?:/[\w.@+-]*)+ | \b[A-Z]:\\\S+  # a path
    | \\u[0-9a-f]{4} | \\x[0-9a-f]{2}  # a character, escaped
    # a number, other than a version, a year or the number of an RFC
    | (?<![\w.-])\d{1,3}(?:[ ,']\d{3})+(?![\w.-])
    | (?<![\w.-])(?<!rfc\ )(?!(?:19|20)\d\d\b)\d{3,}(?![\w-]|\.\d)
    | \b\d{1,2}:\d\d(?::\d\d)?\b | \b\d{4}-\d\d-\d\d\b  # a time, a date
    """,
    re.I | re.X,
)


def own_values(question: str) -> list[str]:
    """Return the values of a question that are likely the asker's own: addresses, hosts, paths, numbers and times."""
    return [match[0] for match in _VALUE.finditer(question)]


def without_own_values(question: str) -> str:
    """Return a question with a blank in place of each of its `own_values`."""
    return _VALUE.sub(" ", question)
