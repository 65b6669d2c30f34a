"""How the time that a text takes grows with its length."""

from __future__ import annotations

import string
import time
from collections.abc import Callable

_SHORT, _LONG = 10_000, 40_000
_FACTOR, _LEAST_SECONDS = 8, 0.025

REPEATED = [
    *string.punctuation, " ", "\n", "\t", "a", "é", "。", "ก", "\0", "\n \n", "word ", "word\n", "A. ", "x" * 50 + " ",
    "[[", "![", "](", "[a](", "[a]: b\n", "<a ", "<A b={", "<!--", "<!-- -->", "<A>", "<A>\n", "<a href=\"", "<img src=a ",
    "{%", "{{", "{% a", "{% a %}", "{{< a ", "{% tab %}\n", "{% highlight x %}\n", "{% raw %}", "{: .note }\n", "{::comment}",
    "{#a", "{#a}\n", "{/*", "- ", "> ", "1. ", "#\n", "# a {#a}\n", "```\n", "```{note}\n", ":::{code}\n", ":::{note}\n", "::: a\n",
    "!!! a\n", "/// note\n", "    x\n", "<div>\n", "<pre>", "<script>", "<h1>", "<summary>", "import {\n", "export const a = {\n",
    "a\n: b\n", "(a)=\n", "{ref}`a`", "{{#include a}}\n", "<<< a\n", "|-|\n", "| a |\n", "**a**\nb\n\n", "- a\n\n      b\n",
    "AKIA", "AKIA" + "A" * 16, "ghp_", "ghp_" + "a1" * 18, "eyJ", "eyJ.", "eyJa.eyJ", "sk-ant-", "xoxb-1-", "SG.a.", "token ",
    "password: ", "://a:b", "-----BEGIN PRIVATE KEY-----", "www.", "http://", "javascript:", "[1", "[1, ", "[1] ",
]  # fmt: skip
PAIRS = [
    ("[", "[a](b)"), ("![", "[a](b)"), ("<A>", "</A>"), ("<A>\n", "</A>\n"), ("`", "``"), ("{", "}"), ("- ", "a\n\n"),
    ("[a]: b\n", "[a] "), ("<!--", "-->"), ("import {\n", "}\n"), ("- a\n", "{:toc}\n"), ("a\n", "{: .note }\n"), ("(", ")"),
    ('{{< tabs items="a,b" >}}\n', "{{< tab >}}"), ("AKIA", "example" + "A" * 20), ("**", "a**"), ("a\n", ": b\n"),
]  # fmt: skip
#: parts, of which the second is repeated behind the first
HOSTILE = [*((part, "") for part in REPEATED), *PAIRS]


def takes_linear_time(read: Callable[[str], object], text: str) -> bool:
    """Whether four times as many repetitions of a text take less than eight times as long; quadratic time is 16 times.

    Times below 25 ms count as 25 ms, and the shortest of three times counts, since other programs run beside the tests.
    A time that passes is not measured again: what is shorter would pass, too.
    """
    short, long = (text * (size // len(text)) for size in (_SHORT, _LONG))
    limit = _FACTOR * _LEAST_SECONDS
    if _seconds(read, long) < limit:
        return True
    limit = max(limit, _FACTOR * min(_seconds(read, short) for _ in range(3)))
    return any(_seconds(read, long) < limit for _ in range(3))


def _seconds(read: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    read(text)
    return time.process_time() - started


def hostile_text(parts: tuple[str, str], length: int) -> str:
    """Return the parts, each repeated to a number of characters."""
    return "".join(part * (length // len(part)) for part in parts if part)
