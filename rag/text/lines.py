"""Text on one line, for messages, logs and comparisons; and characters that are not seen or cannot be written."""

from __future__ import annotations

import re

__all__ = ["INVISIBLE", "UNWRITTEN", "encodable", "one_line"]


def one_line(text: object) -> str:
    """Return the string of an object with every run of white space, line breaks included, as a single space."""
    return " ".join(str(text).split())


def encodable(text: str) -> str:
    """Return a text without lone surrogates, which no database and no model can read."""
    return text.encode("utf-8", "replace").decode()


#: Characters without width. They can split a word that a language model still reads as one.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
# Persian and the scripts of India write joiners within words, and many emoji are joined.
_JOINED = "[\u0600-\u109f\u1780-\u18af\ufb50-\ufefc\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]"
#: Invisible characters, but for joiners where words and emoji need them; removed from what a reader sees.
UNWRITTEN = re.compile(
    rf"(?![\u200c\u200d]){INVISIBLE.pattern}|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
)
