"""Text on one line: for messages, logs and comparisons."""

from __future__ import annotations

import re

__all__ = ["INVISIBLE", "one_line"]


def one_line(text: object) -> str:
    """Return the string of an object with every run of white space, line breaks included, as a single space."""
    return " ".join(str(text).split())


#: Characters without width. They can split a word that a language model still reads as one.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
