"""Decode the body of a response, whatever encoding it declares.

The labels of encodings mean what https://encoding.spec.whatwg.org says they mean: a page that declares iso-8859-1 is
Windows-1252, one that declares gb2312 is GBK, and so on.
"""

from __future__ import annotations

import codecs
import re

import webencodings
from bs4.dammit import EncodingDetector

__all__ = ["NotHtmlError", "decode"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Python's codecs of these names lack the characters that vendors added, which the web's encodings have.
_EXTENDED = {
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso-2022-jp": "iso2022_jp_ext",
}
# A browser refuses these; Python reads them, and they do no harm in a text.
_REFUSED_BY_BROWSERS = {
    "iso-2022-kr": "iso2022_kr",
    "csiso2022kr": "iso2022_kr",
    "hz-gb-2312": "hz",
    "utf-32": "utf-32",
    "utf-32le": "utf-32-le",
    "utf-32be": "utf-32-be",
}
# Text in these encodings may also be valid UTF-8, so a declaration of them is believed first.
_AMBIGUOUS = re.compile(r"^(?:iso.?2022|hz$|utf.?16|utf.?32)", re.IGNORECASE)
_UTF_16 = re.compile(r"^utf-(?:16|32)")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
#: A declaration with blanks before its label, which the detector takes for an empty one.
_SPACED_LABEL = re.compile(rb"<\s*meta\s[^>]{0,500}charset\s*=\s*[\"']?\s+([\w.:-]+)", re.IGNORECASE)
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
    codec = _codec(charset) or _declared_codec(head)
    if codec and _AMBIGUOUS.match(codec):
        return body.decode(codec, "replace")
    if len(head) - len(head.translate(None, _CONTROL)) > max(2, len(head) // 50):
        raise NotHtmlError("the body is binary, whatever its Content-Type says")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_broken(body, codec)


def _declared_codec(head: bytes) -> str | None:
    """Return the codec that the document itself declares."""
    head = _COMMENT.sub(b"", head)
    label = EncodingDetector.find_declared_encoding(head, is_html=True)
    if not label and (match := _SPACED_LABEL.search(head)):
        label = match[1].decode("ascii", "replace")
    codec = _codec(label)
    # A declaration that can be read as ASCII does not stand in UTF-16.
    return "utf-8" if codec and _UTF_16.match(codec) else codec


def _codec(label: str | None) -> str | None:
    """Return Python's codec for a label of the web, None for an unknown one."""
    if not label:
        return None
    label = label.strip("\t\n\f\r \"'").lower()
    if refused := _REFUSED_BY_BROWSERS.get(label):
        return refused
    found = webencodings.lookup(label)
    if found is None or found.name == "replacement":
        return None
    if found.name == "x-user-defined":
        return "cp1252"
    return _EXTENDED.get(found.name) or found.codec_info.name


def _decode_broken(body: bytes, codec: str | None) -> str:
    """Decode a body that is not valid UTF-8."""
    if codec and codec != "utf-8":
        return body.decode(codec, _VENDORS)
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # Mostly valid UTF-8 with a few broken bytes is still UTF-8.
    if broken * 100 < len(text) and broken < 20:
        return text
    return body.decode("cp1252", "replace")


def _vendors(error: UnicodeError) -> tuple[str, int]:
    """Return the characters that vendors added to an encoding, and U+FFFD for a byte that means nothing."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if error.encoding == "gb18030" and pair[:1] == b"\x80":
        return "€", error.start + 1
    try:
        if error.encoding == "euc_jp" and len(pair) == 2 and 0xA1 <= min(pair) <= max(pair) <= 0xFE:
            return _jis_as_shift_jis(pair).decode("cp932"), error.start + 2
        if error.encoding == "big5hkscs" and len(pair) == 2:
            return pair.decode("cp950"), error.start + 2
    except UnicodeDecodeError:
        pass
    return "\ufffd", max(error.end, error.start + 1)


def _jis_as_shift_jis(pair: bytes) -> bytes:
    """Return a character of JIS X 0208, in EUC's two bytes, in the bytes of Shift_JIS."""
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + 0x9F if row % 2 else cell + (0x40 if cell < 63 else 0x41)
    return bytes((lead, trail))


_VENDORS = "rag-vendors"
codecs.register_error(_VENDORS, _vendors)
