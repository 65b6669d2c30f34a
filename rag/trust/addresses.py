"""Addresses: everything in a text that leads a reader, or a command that a reader copies, to another machine.

Which addresses may be shown is decided by a list of known ones, so every spelling counts: with or without a scheme,
with `hxxp` or `[.]`, an IP address, an account on a host, a name with any top-level domain. What is called a name of a
host here may be an attribute such as `asyncio.run`; it is then shown if a trusted text has it too.
"""

from __future__ import annotations

import html
import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from rag.text.lines import INVISIBLE

__all__ = ["Known", "addresses"]

# What may stand for the dot of a host's name: the dots and full stops of other scripts.
_DOTS = re.compile("[\u3002\uff0e\uff61\uff65\u2024\u2025\u00b7\u2027\u30fb\u0589\u06d4\u05c3\ufe52\u2219\u22c5]")
# Such a sign is a dot between letters of scripts that end sentences with "." and write spaces between words, and before
# a top-level domain; between Chinese, Japanese, Korean or Arabic words it ends a sentence or parts a list.
_ALPHABETIC = r"[a-z0-9_\u00c0-\u024f\u0370-\u03ff\u0400-\u052f-]"
_TOP = (
    "com|net|org|info|io|dev|app|co|me|ai|xyz|ru|cn|jp|kr|tw|hk|de|uk|site|top|online|shop|中国|中國|公司|网络|網絡|网址|"
    "在线|中文网|商城|集团|我爱你|香港|台灣|台湾|世界|游戏|みんな|コム|ストア|クラウド|ポイント|セール|닷컴|닷넷|한국|"
    "рф|рус|онлайн|сайт|укр|بھارت|موقع|شبكة|ایران|السعودية|مصر"  # noqa: RUF001
)
_ADDRESS_DOT = re.compile(
    rf"(?<={_ALPHABETIC})\u3002(?={_ALPHABETIC})|(?<=\w)\u3002(?=(?:{_TOP})(?![\w-]))", re.IGNORECASE
)
# The l·l of Catalan, as in col·lecció; what follows it in evil·link is a top-level domain.
_CATALAN = re.compile(
    r"(?<=l)\u00b7(?=l)(?!(?:lol|live|link|love|land|loan|loans|life|law|legal|limo|lease|luxury)(?![\w-]))",
    re.IGNORECASE,
)
_DEFANGED = re.compile(
    r"\s?[\[({<]\s?(?:\.|dot|punkt|point|punto|点)\s?[\])}>]\s?|\\\.|\\u002e|\\x2e"
    r"|(?<=[a-z0-9])(?:,|\.\s)(?=(?:com|net|org|io|dev)[/:])"
    r"|(?<=[a-z0-9])(?:[\s_-]dot[\s_-]|\s\.\s?)(?=(?:com|net|org|info|io|dev|app|co|me|xyz|ru|cn|de|uk|site|top)(?![a-z0-9]))",
    re.IGNORECASE,
)
_SEPARATED = re.compile(
    r"[\[({<]\s?(?P<sign>:|://|@|at)\s?[\])}>]|(?<=[\w])\s?[\[({<]\s?AT\s?[\])}>]\s?", re.IGNORECASE
)
_MARKUP = re.compile(r"[*`\u2060]|(?<!\w)_|_(?!\w)|</?(?!dot>)[a-z]{1,10}>")

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = rf"(?:{_LABEL}\.){{1,30}}(?:[^\W\d_]{{2,63}}|xn--[\w-]{{1,59}})"
# A number of an IPv4 address with a 0 before it is octal to many programs, and the last may stand for two.
_OCTET = r"(?:0x[0-9a-f]{1,2}|0?\d{1,3})"
_IPV4 = rf"(?:(?:{_OCTET}\.){{3}}{_OCTET}|(?:\d{{1,3}}\.){{1,2}}\d{{4,8}}(?=[/:]))"
# Between a Chinese or Japanese word and an address stands no space: what may not stand before one is a letter of ASCII.
_ALONE = r"(?<![a-z0-9_.-])"
_IPV6 = r"(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:%\w+)?"
# A shortcut such as github:owner/name leads to a repository of anybody.
_HOSTERS = r"(?:github|gitlab|bitbucket|codeberg|sourcehut|gist|gh):[\w.-]{1,100}/[\w.-]{1,100}"
_SCHEMES = r"(?:javascript|data|mailto|vbscript|magnet|tel|sms|ipfs|about|blob)"
_REST = r"[^\s<>\"'`|(){}\[\],;\u3001\u3002\u300c-\u3011]*"
_FOUND = re.compile(
    rf"(?P<url>(?<![a-z0-9])[a-z][a-z0-9+.-]{{1,20}}:(?:/{{1,3}}|\\{{1,3}})[^\s<>\"'`|(){{}},;\u3001\u3002\u300c-\u3011]*)"
    rf"|(?P<scheme>(?<![a-z0-9_])(?:{_HOSTERS}|{_SCHEMES}:[^\s<>\"'`]+))"
    rf"|(?P<relative>(?<![a-z0-9_:/.*])///?{_LABEL}\.[^\s<>\"'`|(){{}},;\u3001\u3002\u300c-\u3011]*)"
    rf"|(?P<unc>(?<![a-z0-9_\\])\\\\{_LABEL}[.\\][^\s<>\"'`|(){{}},;\u3001\u3002\u300c-\u3011]*)"
    rf"|(?P<bracketed>\[{_IPV6}\]{_REST})"
    rf"|(?P<ipv6>(?<![a-z0-9_:.]){_IPV6}(?![a-z0-9_:.]))"
    rf"|(?P<ipv4>{_ALONE}{_IPV4}(?![a-z0-9_-]|\.\w)(?::\d+)?(?:[/\\?#]{_REST})?)"
    rf"|(?P<number>(?<![a-z0-9_./-])(?:0x[0-9a-f]{{7,8}}|\d{{9,10}})[/:]{_REST})"
    # The name of a machine without a dot, with a port and a path, as in `redis:6379/0`.
    rf"|(?P<port>(?<![\w.:/@\\-])[a-z]{_LABEL}:\d{{2,5}}/{_REST})"
    rf"|(?P<account>(?<![\w.+:%-])[\w.+:%-]{{1,200}}@(?:{_HOST}|{_IPV4}|{_LABEL}(?=:)){_REST})"
    rf"|(?P<host>(?<![\w.@/\\-])(?P<name>(?:www\.)?{_HOST})(?![\w-]|\.\w)(?P<call>\()?(?::\d{{1,5}}(?!\d))?(?:[/\\?#]{_REST})?)",
    re.IGNORECASE,
)
# What is fetched is an address, whatever it looks like: a number, or a name whose script is run.
_FETCHED = re.compile(
    r"(?<![\w.-])(?:curl|wget|iwr|irm|aria2c|telnet|ncat|nc|ssh|scp|from|visit|open)(?:\.exe)?\s+(?:-\S{1,40}\s+(?:\d{1,5}\s+)?){0,9}"
    r"(?P<target>(?:0x[0-9a-f]{7,8}|\d{9,12})(?![\w./:-])|[^\s|]{1,300}(?=\s{0,3}\|\s{0,3}(?:sudo\s{1,3})?(?:ba|z|da|k)?sh\b))",
    re.IGNORECASE,
)
_SCHEME = re.compile(rf"^(?:[a-z][a-z0-9+.-]*:[/\\]+|{_SCHEMES}:|[/\\]+)?(?:www\.)?", re.IGNORECASE)
# The first group of a global IPv6 address; `dead::beef` may as well be a name in C++.
_GLOBAL = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*:", re.IGNORECASE)
_HOST_SIGN = re.compile(r"[/\\?#]")
# This machine and placeholders: they lead a reader to nobody.
_OWN = re.compile(
    r"(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|255\.[\d.]+|\[?::1?\]?|::|host\.docker\.internal)(?:[:/\\?#]|$)"
)
# Endings of files that are no top-level domains, so that "pool.conf" leads to no host.
_FILE_ENDINGS = """
asc bak bat bin bz2 cfg cjs class cmd conf config cpp cs css csv dat deb diff dll dmg dockerfile ear egg env
err exe go gradle gz h hcl hpp htm html ico ini ipynb iso jar java jpeg jpg js json jsonl jsx kt lock log lua
mdx mjs mod msi nix o old orig out patch pdf pem php png proto ps1 pyc pyi r rb rpm rst scss sock sql sqlite
sum svg tar tgz tmp toml ts tsv tsx txt vue war wasm whl xls xlsx xml xz yaml yml
"""
_FILES = frozenset(_FILE_ENDINGS.split())


def addresses(text: str) -> set[str]:
    """Return the addresses in a text in one spelling: lower case, without scheme, `www.` and the marks behind them."""
    plain = _plain(text)
    found = {address for match in _FOUND.finditer(plain) if (address := _canonical(match))}
    for match in _FETCHED.finditer(plain):
        if not _FOUND.search(match["target"]):
            found.add(match["target"].lower())
    return found


class Known:
    """The addresses that may be shown.

    :param urls: of pages; the page of a fragment is known too
    :param texts: whatever address they contain is known
    """

    def __init__(self, urls: Iterable[str] = (), texts: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        for url in urls:
            self._known |= addresses(url) | addresses(url.partition("#")[0])
        for text in texts:
            self._known |= addresses(text)
        #: the names of hosts without a path tell nothing that the address does not
        self._known |= {_HOST_SIGN.split(address, maxsplit=1)[0] for address in self._known}

    def allows(self, text: str) -> bool:
        """Return whether every address in a text is known."""
        return addresses(text) <= self._known


def _plain(text: str) -> str:
    """Return a text with one spelling for the signs of an address."""
    if not text.isascii():
        text = INVISIBLE.sub("", text)
        text = unicodedata.normalize("NFKC", _DOTS.sub("\u3002", _CATALAN.sub("", text)))
        text = _ADDRESS_DOT.sub(".", text)
    if "&" in text:
        text = html.unescape(text)
    if "%" in text:
        # Twice: what is encoded twice is decoded twice where two programs read it.
        text = unquote(unquote(text, errors="replace"), errors="replace")
    text = _SEPARATED.sub(
        lambda match: "@" if "a" in match[0].lower() or "@" in match[0] else match["sign"] or "", text
    )
    return _DEFANGED.sub(".", _MARKUP.sub("", text))


def _canonical(match: re.Match[str]) -> str | None:
    """Return an address in one spelling; None if what was found leads nowhere."""
    found = match[0].rstrip(".,;:!?*_)'\"")
    if match["host"] and (match["call"] or match["name"].rpartition(".")[2].lower() in _FILES):
        return None
    if match["ipv6"] and not (_is_ip(found) and _GLOBAL.match(found)):
        return None
    bare = _SCHEME.sub("", found, count=1).rstrip("/")
    host = _HOST_SIGN.split(bare, maxsplit=1)[0]
    return None if not bare or _OWN.match(bare) else host.lower() + bare[len(host) :]


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
