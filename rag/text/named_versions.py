"""Which versions a question names: "in PostgreSQL 14", "pg15", "with Django 2.x", "since 3.0", "from 14 to 15"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from rag.text.commonness import is_common
from rag.text.versions import VERSION, covers, is_older, newest, plain

__all__ = ["Named", "named_versions", "without_versions"]

_NUMBER = re.compile(rf"(?<![\d.])(?P<v>(?<![a-z])v)?(?P<version>{VERSION})\+?(?![\w%]|[.,:-]\d)", re.I)
# What stands before a number that is a version.
_SAYS_SO = re.compile(r"(?<![^\W_])(?:versions?|releases?|ver\.?)[\s:]*$", re.I)
_WORD = re.compile(r"(?:^|(?<=[\s(\[\"'\u201c\u2018/,]))([A-Za-z][A-Za-z.+]*)(?:[-@/:]|\s+\(?|\s*[<>=~^≥≤]+\s*)?$")
# Capitalized words.
_NAME = re.compile(r"(?:(?<![\w.])[A-Z][\w.+-]*\s+)+$")
_PREPOSITION = re.compile(
    r"(?:^|(?<=[\s(,]))(?:in|on|for|under|with|since|until|us(?:e|ing)|run(?:ning)?"
    r"|(?:what|how) about)\s+$",
    re.I,
)
_FROM = re.compile(r"(?:^|(?<=[\s(,]))(?:from|to)\s+$", re.I)
_OLDER = re.compile(r"(?:^|(?<=[\s(,]))(?:before|prior to|(?:older|earlier|lower) than|below)\s+$", re.I)
# Between two versions of one product.
_AND = re.compile(r"\s*(?:to|and|or|vs\.?|versus|->|→|,|/)\s*", re.I)
_MOVE = re.compile(r"(?<![a-z])(?:(?:up|down)grad|migrat|switch|mov(?:e|ing)|going)", re.I)
# Words that are not products, so that the number behind them is not a version: "port 80", "UTF-8". An everyday word
# that is not listed may be a product if it has a capital letter: "React 18".
_NO_PRODUCT = re.compile(
    r"(?:a|all|an|and|any|are|as|at|base|be|been|but|by|can|chapter|code|cp|did|do|does|each|error|every|figure|"
    r"for|from|had|has|have|how|http|if|in|int|into|ip|ipv|is|iso|issue|it|its|just|latin|level|line|md|my|no|"
    r"not|of|on|only|or|our|page|part|per|port|rfc|section|set|sha|signal|so|some|sqlstate|step|table|than|"
    r"that|the|their|then|these|this|those|to|top|type|up|upto|use|using|utf|via|was|were|what|when|where|"
    r"which|why|with|within|without|your)",
    re.I,
)
# What many questions name beside the product that they are about, unless the index has it: "on Ubuntu 22.04".
_MACHINE = re.compile(
    r"(?:ubuntu|debian|centos|rhel|redhat|fedora|alpine|(?:open)?suse|sles|rocky|alma(?:linux)?|linux|kernel|raspbian|freebsd"
    r"|openbsd|solaris|macos|osx|ios|ipados|android|windows|win|java|jdk|jre|openjdk|node(?:\.?js)?|deno|bun|npm|yarn|pnpm"
    r"|gcc|clang|llvm|msvc|glibc|musl|chrome|chromium|firefox|safari|edge|opera|docker|kubernetes|helm|cuda|openssl|tls|ssl"
    r"|xcode|cmake|maven|gradle|bazel|pip)",
    re.I,
)
# These as well, if the index is one of another of them: "Python 3" asked of Django's manual. A copy of Python's manual
# may stand at an address that does not name it.
_PRODUCT = re.compile(
    r"(?:c|python|py|cpython|pypy|kotlin|scala|php|ruby|rails|perl|go|golang|rust|rustc|ghc|erlang|otp|elixir|dotnet|swift"
    r"|typescript|javascript|ecmascript|lua|julia|terraform|ansible|nginx|apache|httpd|tomcat|postgres(?:ql)?|mysql|mariadb"
    r"|sqlite|oracle|mongodb|redis|valkey|elasticsearch|opensearch|kafka|rabbitmq|django|flask|laravel|symfony|spring|react"
    r"|angular|vue|jquery|numpy|pandas|tensorflow|pytorch|qt|gtk|git)",
    re.I,
)
# What may follow a version, but not a number of things.
_CLAUSE = re.compile(
    r"\s*(?:$|[?.!,:;)\]\"'\u201d\u2019\u2026\u2013\u2014]|(?:how|what|which|when|where|why|who|is|are|was|were|do|does|did|can|could|should|would"
    r"|will|may|must|has|have|had|i|we|you|it|they|there|to|and|or|vs|versus|on|in|with|without|by|from|for|under|using|if"
    r"|but|that|as|after|before|the|a|an|my|our|compared|docs?|documentation|manual|server|only|instead|onwards?|later|newer"
    r"|up|upwards?|above)\b)",
    re.I,
)
_UNIT = re.compile(
    r"\s*(?:%|(?:ms|s|sec\w*|min\w*|h|hours?|days?|weeks?|months?|years?|[kmgt]i?b|bytes?|rows?|times?|users?|columns?"
    r"|connections?|threads?|cores?|files?|lines?|characters?|bits?|items?)\b)",
    re.I,
)
_COUNTED = re.compile(r"\s+[a-z-]+[^s\W]s\b")
# The name of a branch or a channel is a word of English, too.
_CHANNEL = r"(?:version|release|branch|channel|docs|documentation|manual|build)"
# What goes with a version that is left out of a question.
_OPENING = re.compile(
    r"[\s,@/:-]*(?:\b(?:in|for|on|with|of|under|since|using|from|to|and|or|vs\.?|versus|between|before|prior to"
    r"|(?:older|earlier|lower) than|below|until))?\s*[<>=~^≥≤]*\s*$",
    re.I,
)
_SHORTEST_NAME = 3
# A number in quotes is a value.
_QUOTES = ("'", '"', "`")
# Each number reads what stands before it; a text with more numbers is a log.
_MOST_NUMBERS = 40
_Says = Literal["is", "is older", "may be", "is not"]


@dataclass(frozen=True, slots=True)
class Named:
    """A version that a question names, and where it stands."""

    version: str
    start: int
    end: int


def named_versions(question: str, known: Sequence[str], products: Sequence[str] = ()) -> list[Named]:
    """Return the versions that a question names, in its order.

    A number that is not a known version counts only behind "version", "v" or a product of the index: it may be of
    something else. "Before 15" names the newest that is older.

    :param known: the versions of the index
    :param products: words that may be the names of its products, or begin with them, in lower case
    """
    found = [*_numbers(question, known, products), *_channels(question, known)]
    return sorted(found, key=lambda one: one.start)


def without_versions(question: str, named: Sequence[Named]) -> str:
    """Return a question without the versions that it names, whose pages need not repeat them; products' names stay.

    :param named: what `named_versions` found in it
    """
    rest = question
    for one in reversed(named):
        before = _OPENING.sub("", rest[: one.start])
        after = rest[one.end :].lstrip(" " if before else " ,:-")
        rest = f"{before} {after}" if before else after[:1].upper() + after[1:]
    return re.sub(r"\s*\(\s*\)|\s+(?=[?.!,:;)\]]|$)", "", rest.strip()) or question


def _numbers(question: str, known: Sequence[str], products: Sequence[str]) -> Iterator[Named]:
    matches = list(islice(_NUMBER.finditer(question), _MOST_NUMBERS))
    says = [_says(question, match, known, products) for match in matches]
    for place, match in enumerate(matches):
        said = says[place]
        if said == "may be" and _is_of_a_pair(question, matches, says, place):
            said = "is"
        before = _SAYS_SO.search(question[: match.start()])
        start = before.start() if before else match.start()
        version = _version(match, known, products)
        if said == "is older":
            older = newest(one for one in known if is_older(one, version))
            if older:
                yield Named(older, start, match.end())
        elif said == "is":
            yield Named(version, start, match.end())


def _says(question: str, match: re.Match[str], known: Sequence[str], products: Sequence[str]) -> _Says:
    """Return what the words around a number say of it."""
    before, after = question[: match.start()], question[match.end() :]
    is_quoted = before[-1:] in _QUOTES and after[:1] in _QUOTES
    if is_quoted or _UNIT.match(after):
        return "is not"
    if _is_of_a_platform(before, products):
        return "is not"
    version = _version(match, known, products)
    is_known = any(covers(version, one) for one in known)
    if _OLDER.search(_SAYS_SO.sub("", before)) and any(is_older(one, version) for one in known):
        is_between = "." in version and any(is_older(version, one) for one in known)
        is_one = match["v"] or _SAYS_SO.search(before) or ((is_known or is_between) and _CLAUSE.match(after))
        return "is older" if is_one else "is not"
    if not is_known and _is_of_another_name(before, after, products):
        return "is not"
    if match["v"] or _SAYS_SO.search(before):
        return "is"
    if not is_known:
        return "is" if _is_of_a_product(before, version, known, products) else "is not"
    is_dotted = "." in version and any(plain(one) == version for one in known)
    if is_dotted or match["version"].lower().endswith(".x"):
        return "is"
    if _is_behind_a_product(before, after, products):
        return "is"
    has_preposition = _PREPOSITION.search(before) or (_FROM.search(before) and _MOVE.search(question))
    if has_preposition and _CLAUSE.match(after):
        return "is"
    return "is not" if _COUNTED.match(after) else "may be"


def _version(match: re.Match[str], known: Sequence[str], products: Sequence[str]) -> str:
    """Return the version that a number is; "py311" may leave out the point."""
    version = plain(match["version"])
    before = match.string[: match.start()]
    word = _WORD.search(before) if before[-1:].isalpha() else None
    if word and any(name.startswith(word[1].lower()) for name in products):
        return next((one for one in known if "." in one and one.replace(".", "") == version), version)
    return version


def _is_of_a_platform(before: str, products: Sequence[str]) -> bool:
    """Return whether the word before a number is the name of another product than those that the index has."""
    match = _WORD.search(_SAYS_SO.sub("", before))
    if not products or match is None or any(_is_name_of(match[1].lower(), name) for name in products):
        return False
    is_product = _PRODUCT.fullmatch(match[1]) and any(_PRODUCT.fullmatch(name) for name in products)
    return bool(is_product or _MACHINE.fullmatch(match[1]))


def _is_of_another_name(before: str, after: str, products: Sequence[str]) -> bool:
    """Return whether a number stands behind a name, and a product of the index elsewhere: "Gateway API v1.2"."""
    bare = _SAYS_SO.sub("", before)
    name = _NAME.search(bare)
    if name is None:
        return False

    def is_product(text: str) -> bool:
        words = (word for word in re.findall(r"[a-z]{3,}", text.lower()) if not is_common(word))
        return any(_is_name_of(word, product) for word in words for product in products)

    return is_product(f"{bare[: name.start()]} {after}") and not is_product(name[0])


def _is_name_of(word: str, name: str) -> bool:
    return name.startswith(word) or word.startswith(name)


def _is_behind_a_product(before: str, after: str, products: Sequence[str]) -> bool:
    """Return whether the word before a known version is the name of a product, as far as it looks like one."""
    match = _WORD.search(before)
    if match is None:
        return False
    word = match[1]
    if len(word) < 2 or _NO_PRODUCT.fullmatch(word.rstrip(".")):
        return False
    if word.lower() in products:
        return True
    begins = re.search(r"(?:^|[.?!:])\s*$", before[: match.start()]) is not None
    if not is_common(word.strip(".+")):
        return word[0].isupper() or begins or not _COUNTED.match(after)
    # "React 18" is a product, "Keep 14 days" at the beginning is none.
    return word[0].isupper() and not word.isupper() and (not begins or _CLAUSE.match(after) is not None)


def _is_of_a_product(before: str, version: str, known: Sequence[str], products: Sequence[str]) -> bool:
    """Return whether a version that the index lacks is one of its products': it has no more digits than theirs."""
    match = _WORD.search(before)
    if match is None or len(match[1]) < _SHORTEST_NAME:
        return False
    word = match[1].lower()
    if is_common(word):
        return False
    digits = max((len(one.partition(".")[0]) for one in known if one.isdecimal() or "." in one), default=2)
    is_product = any(_is_name_of(word, name) for name in products)
    return is_product and len(version.partition(".")[0]) <= digits


def _is_of_a_pair(question: str, matches: Sequence[re.Match[str]], says: Sequence[_Says], place: int) -> bool:
    """Return whether a number stands beside another version: "from 14 to 15", "between 14 and 15", "15 vs 14"."""
    for first, second in ((place - 1, place), (place, place + 1)):
        if first < 0 or second >= len(matches):
            continue
        between = question[matches[first].end() : matches[second].start()]
        if not _AND.fullmatch(between):
            continue
        if says[place - 1 if second == place else place + 1] == "is":
            return True
        before = question[: matches[first].start()]
        both = says[first] == says[second] == "may be"
        if both and (re.search(r"\b(?:from|between)\s+$", before, re.I) or re.search(r"vs|versus|->|→", between, re.I)):
            return True
    return False


def _channels(question: str, known: Sequence[str]) -> Iterator[Named]:
    """Yield the names of branches and channels: "on main", "the next version"."""
    for name in known:
        if name[:1].isdigit():
            continue
        word = re.escape(name)
        behind = rf"(?:(?<=\bin )|(?<=\bon )|(?<=\bfor )|(?<=\bwith )|(?<=@)){word}(?=\s*(?:$|[?.!,:;)]))"
        if found := re.search(rf"\b{word}\s+{_CHANNEL}s?\b|\b{_CHANNEL}\s+{word}\b|{behind}", question, re.I):
            yield Named(name, *found.span())
