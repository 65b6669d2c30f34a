"""Decode the body of a response, whatever encoding it declares."""

from __future__ import annotations

import codecs
import re

from bs4.dammit import EncodingDetector

__all__ = ["NotHtmlError", "decode"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Text in these encodings may also be valid UTF-8, so a declaration of them is believed first.
_AMBIGUOUS = re.compile(r"^(?:iso-2022|hz|utf-?7|utf-?16|utf-?32)", re.IGNORECASE)
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b\x0b"))
_SNIFFED_BYTES = 4096


class NotHtmlError(Exception):
    """A body is not of the type that its Content-Type declares."""


def decode(body: bytes, charset: str | None) -> str:
    """Return a body as text.

    Valid UTF-8 is read as UTF-8. Otherwise the byte order mark, the header and the document's own declaration are
    tried in this order, and Windows-1252 last.

    :param charset: the encoding that the Content-Type header names
    :raises NotHtmlError: the body is binary
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    head = body[:_SNIFFED_BYTES]
    declared = charset or EncodingDetector.find_declared_encoding(head, is_html=True)
    if declared and _AMBIGUOUS.match(declared) and _is_known(declared):
        return body.decode(declared, "replace")
    if len(head) - len(head.translate(None, _CONTROL)) > max(2, len(head) // 50):
        raise NotHtmlError("the body is binary, whatever its Content-Type says")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_broken(body, declared)


def _decode_broken(body: bytes, declared: str | None) -> str:
    """Decode a body that is not valid UTF-8."""
    if declared and _is_known(declared) and declared.lower().replace("-", "") != "utf8":
        return body.decode(declared, "replace")
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # Mostly valid UTF-8 with a few broken bytes is still UTF-8.
    if broken * 100 < len(text) and broken < 20:
        return text
    return body.decode("cp1252", "replace")


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True
