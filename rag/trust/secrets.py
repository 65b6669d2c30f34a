"""Secrets: tokens, keys and passwords in text are masked before the text is embedded, stored, logged or shown.

Secrets of a known form, such as GitHub tokens, are found by detect-secrets and a few additional patterns. Secrets
without a form, such as passwords, are found by the keyword or URL before them. A long random string alone is no secret
here: commits, checksums and UUIDs look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module

__all__ = ["MASK", "looks_random", "masked"]

#: Replaces a secret.
MASK = "********"

Span = tuple[int, int]

# The prefixes of tokens, and the module and class of detect-secrets' detector. Importing the library takes half a
# second, and few texts contain a prefix.
_LIBRARY = {
    ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"): ("github_token", "GitHubTokenDetector"),
    ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "GR1348941", "glcbt-"): ("gitlab_token", "GitLabTokenDetector"),
    ("AKIA", "ASIA", "ABIA", "ACCA"): ("aws", "AWSKeyDetector"),
    ("AccountKey=",): ("azure_storage_key", "AzureStorageKeyDetector"),
    ("eyJ",): ("jwt", "JwtTokenDetector"),
    ("T3BlbkFJ",): ("openai", "OpenAIDetector"),
    ("pypi-AgE",): ("pypi_token", "PypiTokenDetector"),
    ("SG.",): ("sendgrid", "SendGridDetector"),
    ("xoxa-", "xoxb-", "xoxp-", "xoxo-", "xoxs-", "xoxr-", "hooks.slack.com"): ("slack", "SlackDetector"),
    ("sq0csp-",): ("square_oauth", "SquareOAuthDetector"),
    ("sk_live_", "rk_live_"): ("stripe", "StripeDetector"),
    (":AA",): ("telegram_token", "TelegramBotTokenDetector"),
}
# The prefixes and patterns of tokens that detect-secrets 1.5 lacks.
_OTHERS = {
    ("github_pat_",): r"github_pat_\w{22,}",
    ("AIza",): r"AIza[\w-]{35}",
    ("GOCSPX-",): r"GOCSPX-[\w-]{28}",
    ("ya29.",): r"ya29\.[\w-]{20,}",
    ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-ant-", "sk-or-"): r"sk-(?:proj|svcacct|admin|ant|or)-[\w-]{20,}",
    ("sk_test_", "rk_test_", "whsec_"): r"(?:[sr]k_test_|whsec_)\w{16,}",
    ("xapp-", "xoxe"): r"(?:xapp-|xoxe[.-])[\w.-]{20,}",
    ("npm_",): r"npm_[A-Za-z0-9]{36}",
    ("hf_",): r"\bhf_[A-Za-z0-9]{30,}",
    ("dop_v1_", "dckr_pat_"): r"(?:dop_v1|dckr_pat)_[\w-]{20,}",
    ("shpat_", "shpss_"): r"shp(?:at|ss)_[0-9a-f]{32}",
    ("hvs.",): r"\bhvs\.[\w-]{24,}",
    ("ATATT3x",): r"ATATT3x[\w=-]{50,}",
    ("/api/webhooks/",): r"(?<=/api/webhooks/)\d{15,20}/[\w-]{40,}",
    ("hooks.slack.com/",): r"(?<=hooks\.slack\.com/)(?:workflows|triggers)/[\w/]{20,}",
    ("/hooks/catch/",): r"(?<=/hooks/catch/)\d+/\w{5,}",
    ("webhook.office.com/",): r"(?<=webhook\.office\.com/)webhookb2/[\w@/-]{60,}",
    ("AGE-SECRET-KEY-1",): r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
}
# The length of the shortest token; shorter words are not searched for prefixes.
_SHORTEST_TOKEN = 20
# How many places inside a word that begins with a placeholder are tried for a token.
_MOST_TRIES = 10
# The rest of a token: some patterns of detect-secrets match only its beginning.
_REST = re.compile(r"[\w+/=-]*(?:\.[\w-]{16,})*", re.ASCII)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----((?:[\w+/=\s\\:,.()]|-(?!----)){20,20000}+)"
)
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/=]{40}")
_IN_URL = re.compile(r"(?P<user>[^\s:/?#@<>\"'`()]{0,128}):(?P<secret>[^\s/?#@<>\"'`]{3,256})@(?=[\w\[])")
_AUTHORIZATION = re.compile(r"\b(?:bearer|basic|token) +(?P<secret>[\w+/=.~-]{20,})", re.IGNORECASE | re.ASCII)
_KEYWORDS = ("passw", "pwd", "passphrase", "secret", "token", "api_key", "apikey", "api-key", "access_key",
             "access-key", "accesskey", "auth_key", "private_key", "account_key", "credential", "sessionid",
             "sessid")  # fmt: skip
_ASSIGNED = re.compile(
    r"[\w-]{0,40}[\"'`\]]{0,2}[ \t]{0,3}(?:=>|:=|={1,3}|:)[ \t]{0,3}[\"'`]?"
    r"(?P<secret>[^\s\"'`,;<>(){}\[\]|\\]{10,512}+)(?![(\[{<])"
)

_PLACEHOLDER = re.compile(
    r"example|your|change.?me|placeholder|dummy|sample|redacted|x{4}|\*{3}|\.{3}|0{6}|1234567|abcdef|[$%{}<>]", re.I
)
# Placeholders for a password in the address of an example.
_STANDS_FOR_ONE = re.compile(
    r"(?:(?:my|your|the|some|user|db|database|super|new)[_-]?)*"
    r"(?:pass|password|passwd|passphrase|pwd|pw|secret|token|key|api[_-]?key|user|admin|root|guest|test|foo|bar|port)\d?",
    re.I,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# The shortest run of letters and digits that makes a value look random: names such as sha256 or tls13 are shorter.
_RANDOM_RUN = 8
_FEWEST_DIFFERENT = 6


def masked(text: str) -> str:
    """Return a text with its tokens, keys and passwords masked. Masking it again changes nothing.

    >>> masked("postgresql://app:c0rrect-horse@db/app")
    'postgresql://app:********@db/app'
    """
    spans = sorted(_spans(text))
    if not spans:
        return text
    parts = []
    at = 0
    for start, end in spans:
        if start >= at:
            parts += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def looks_random(value: str) -> bool:
    """Return whether a value looks generated: it has a long run of both letters and digits."""
    if _is_placeholder(value) or _UUID.fullmatch(value) or _DATE.match(value) or "://" in value:
        return False
    runs = re.findall(r"[A-Za-z0-9]+", value)
    return any(len(run) >= _RANDOM_RUN and _is_mixed(run) for run in runs) or (
        bool(re.search(r"[^\w./:-]", value)) and _is_mixed(value)
    )


def _spans(text: str) -> Iterator[Span]:
    """Yield the spans of secrets, in no order; they may overlap."""
    yield from _tokens(text)
    if "PRIVATE KEY-----" in text or "PRIVATE KEY BLOCK-----" in text:
        yield from (match.span(1) for match in _PRIVATE_KEY.finditer(text) if _KEY_MATERIAL.search(match[1]))
    yield from _in_urls(text)
    yield from _named(text)


def _tokens(text: str) -> Iterator[Span]:
    for pattern in _patterns(text):
        read = tries = 0
        for match in pattern.finditer(text):
            # What matches inside of a token that was read is part of it; behind a placeholder, a token may follow.
            if match.start() < read and tries >= _MOST_TRIES:
                continue
            tries = tries + 1 if match.start() < read else 1
            start, end = match.start(), max(match.end(), _end_of_token(text, match.end()))
            read = end
            if not _is_placeholder(text[start:end]):
                tries = _MOST_TRIES
                yield start, end


def _patterns(text: str) -> Iterator[re.Pattern[str]]:
    """Yield the patterns whose prefixes a text contains."""
    long = "\n".join(word for word in text.split() if len(word) >= _SHORTEST_TOKEN)
    for hints, expression in _OTHERS.items():
        if any(hint in long for hint in hints):
            yield re.compile(expression, re.ASCII)
    for hints, (module, name) in _LIBRARY.items():
        if any(hint in long for hint in hints):
            yield from _library_patterns(module, name)


@cache
def _library_patterns(module: str, name: str) -> Sequence[re.Pattern[str]]:
    denylist = tuple(getattr(import_module(f"detect_secrets.plugins.{module}"), name).denylist)
    if module == "jwt":
        # A token begins where a word does: otherwise each "eyJ" of a long word would be tried to the word's end.
        return [re.compile(rf"(?<![A-Za-z0-9_-]){pattern.pattern}") for pattern in denylist]
    # AWS's other patterns need a keyword, which `_named` covers.
    return denylist[:1] if module == "aws" else denylist


def _end_of_token(text: str, at: int) -> int:
    rest = _REST.match(text, at)
    return rest.end() if rest else at


def _in_urls(text: str) -> Iterator[Span]:
    for at in _places(text, "://"):
        match = _IN_URL.match(text, at)
        if match and not _is_example_password(match["user"], match["secret"]):
            yield match.span("secret")


def _is_example_password(user: str, password: str) -> bool:
    return password == user or bool(_STANDS_FOR_ONE.fullmatch(password)) or bool(_PLACEHOLDER.search(password))


def _named(text: str) -> Iterator[Span]:
    """Yield the values that follow a keyword, such as "password:", and look random."""
    lower = text.lower()
    if len(lower) != len(text):  # a few capitals have a longer lower case
        lower = "".join(character.lower() if character.isascii() else character for character in text)
    for keyword in _KEYWORDS:
        for at in _places(lower, keyword):
            yield from _looking_secret(_ASSIGNED.match(text, at))
    for keyword in ("bearer ", "basic ", "token "):
        for at in _places(lower, keyword):
            yield from _looking_secret(_AUTHORIZATION.match(text, at - len(keyword)))


def _looking_secret(match: re.Match[str] | None) -> Iterator[Span]:
    if match and looks_random(match["secret"].rstrip(".:")):
        start = match.start("secret")
        yield start, start + len(match["secret"].rstrip(".:"))


def _is_mixed(run: str) -> bool:
    return bool(re.search(r"[0-9]", run)) and bool(re.search(r"[A-Za-z]", run))


def _is_placeholder(value: str) -> bool:
    return len(set(value)) < _FEWEST_DIFFERENT or bool(_PLACEHOLDER.search(value))


def _places(text: str, words: str) -> Iterator[int]:
    """Yield the end of each occurrence of `words` in a text."""
    at = text.find(words)
    while at >= 0:
        yield at + len(words)
        at = text.find(words, at + len(words))
