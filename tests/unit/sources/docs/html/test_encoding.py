# ruff: noqa: RUF001
"""Labels of encodings mean what the web says they mean."""

from __future__ import annotations

import pytest
from webencodings.labels import LABELS

from rag.sources.docs.html import decode


@pytest.mark.parametrize(
    ("label", "body", "text"),
    [
        ("ISO-8859-1", b"don\x92t \x80", "don’t €"),
        ("latin1", b"\x93q\x94", "“q”"),
        ("us-ascii", b"\x96\xe9", "–é"),
        ("iso-8859-9", b"\x80 \xfd", "€ ı"),
        ("shift_jis", "①㈱～".encode("cp932"), "①㈱～"),
        ("x-sjis", "髙﨑".encode("cp932"), "髙﨑"),
        ("windows-31j", "ⅸ".encode("cp932"), "ⅸ"),
        ("euc-kr", "똠방각하".encode("cp949"), "똠방각하"),
        ("ks_c_5601-1987", "펲".encode("cp949"), "펲"),
        ("gb2312", "镕囧".encode("gbk"), "镕囧"),
        ("x-gbk", "繁體".encode("gbk"), "繁體"),
        ("gbk", b"\x80 \xb5\xc8", "€ 等"),
        ("x-euc-jp", b"\xc6\xfc \xad\xa1", "日 ①"),
        ("euc-jp", "日本語".encode("euc_jp"), "日本語"),
        ("big5", "堃啫".encode("big5hkscs"), "堃啫"),
        ("iso-8859-8-i", "שלום".encode("iso8859_8"), "שלום"),
        ("koi8", "Ключ".encode("koi8_r"), "Ключ"),
        ("x-mac-cyrillic", "Ключ".encode("mac_cyrillic"), "Ключ"),
        ("iso-2022-jp", "鍵".encode("iso2022_jp"), "鍵"),
        ("dos-874", "กุญแจ".encode("cp874"), "กุญแจ"),
    ],
)
def test_a_label_means_the_encoding_of_the_web(label: str, body: bytes, text: str) -> None:
    declared = f"<meta charset='{label}'><p>".encode() + body

    assert decode(body, label) == text
    assert decode(body, f' "{label.upper()}" ') == text
    assert decode(declared, None).endswith(f"<p>{text}")


@pytest.mark.parametrize(
    "label", ["hex", "rot13", "zlib", "idna", "punycode", "unknown-8bit", "x", "\x00", "utf-7", "undefined"]
)
def test_an_unknown_label_is_ignored(label: str) -> None:
    assert decode("clé".encode(), label) == "clé"
    assert decode("clé".encode("cp1252"), label) == "clé"


@pytest.mark.parametrize(
    "declaration",
    [
        "<meta charset=' EUC-KR '>",
        "<meta http-equiv=content-type content='text/html; charset= euc-kr'>",
        "<!-- <meta charset=koi8-r> --><meta charset=euc-kr>",
    ],
)
def test_blanks_before_a_label_and_comments_do_not_hide_a_declaration(declaration: str) -> None:
    assert decode(declaration.encode() + "똠방각하".encode("cp949"), None).endswith("똠방각하")


def test_a_page_that_can_be_read_as_ascii_is_not_utf_16_whatever_it_declares() -> None:
    assert decode(b"<meta charset=utf-16><p>plain", None) == "<meta charset=utf-16><p>plain"


@pytest.mark.parametrize("label", sorted(LABELS))
def test_every_label_of_the_web_is_read_without_an_error(label: str) -> None:
    assert decode(bytes(range(32, 256)), label)
