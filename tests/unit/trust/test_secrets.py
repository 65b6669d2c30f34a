"""Only secrets are masked.

The secrets are concatenated from parts, so that scanners do not report this file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.trust.secrets import MASK, masked

LETTERS = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4kL6nP8rS1tU3wX5zA7cD9eF1gH3iJ5kL7mN9oP1qR3sT5uV7wX9yZ"
HEX = "9f2c4e6a8b0d1f3e5c7a9b1d3f5e7c9a0b2d4f6e8a1c3e5b7d9f0a2c4e6b8d1f"

TOKENS = {
    "GitHub": "ghp" + "_" + LETTERS[:36],
    "GitHub, fine-grained": "github" + "_pat_" + LETTERS[:22] + "_" + LETTERS[:59],
    "GitHub's own": "ghs" + "_" + LETTERS[:36],
    "GitLab": "glpat" + "-" + LETTERS[:20],
    "AWS": "AKIA" + "Z7Q3M5N9P2R4T6V8",
    "Google": "AI" + "za" + LETTERS[:35],
    "Google OAuth": "GOC" + "SPX-" + LETTERS[:28],
    "Slack": "xoxb" + "-481516234207-7203984516234-" + LETTERS[:24].lower(),
    "Slack app": "xapp" + "-1-A0B1C2D3E4-" + LETTERS[:40],
    "OpenAI": "sk" + "-" + LETTERS[:20] + "T3Blbk" + "FJ" + LETTERS[20:40],
    "OpenAI project": "sk" + "-proj-" + LETTERS[:60],
    "Anthropic": "sk" + "-ant-api03-" + LETTERS[:80],
    "Stripe": "sk" + "_live_" + LETTERS[:24],
    "Stripe, testing": "sk" + "_test_" + LETTERS[:24],
    "SendGrid": "SG" + "." + LETTERS[:22] + "." + LETTERS[:43],
    "npm": "npm" + "_" + LETTERS[:36],
    "PyPI": "pypi" + "-AgEIcHlwaS5vcmc" + LETTERS,
    "Hugging Face": "hf" + "_" + LETTERS[:34],
    "DigitalOcean": "dop" + "_v1_" + HEX,
    "Docker": "dckr" + "_pat_" + LETTERS[:27],
    "Shopify": "shpat" + "_" + HEX[:32],
    "Vault": "hvs" + "." + LETTERS[:30],
    "age": "AGE-SECRET" + "-KEY-1" + LETTERS[:58].upper(),
    "Telegram": "4815162342" + ":AA" + LETTERS[:33],
    "JWT": "ey" + "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".ey" + "JzdWIiOiI0MjQyIn0." + LETTERS[:43],
}

# The text in braces is the secret.
NAMED = [
    "postgresql://app:{c0rrect-horse}@db.internal:5432/app",
    "amqp://svc:{" + LETTERS[:12] + "}@mq/%2f",
    "redis://:{Zx81qqwe}@cache:6379/0",
    "PASSWORD={" + LETTERS[:16] + "}",
    "export DB_PASSWORD='{" + LETTERS[:14] + "}'",
    '  "client_secret": "{' + LETTERS[:32] + '}",',
    "aws_secret_access_key = {" + (LETTERS[:20] + "/" + LETTERS[20:39]) + "}",
    "api_key: {" + HEX[:32] + "}",
    "apiKey={" + LETTERS[:30] + "}&q=1",
    "secret_key_base: {" + HEX + "}",
    "--token={" + LETTERS[:24] + "}",
    "Authorization: Bearer {" + LETTERS[:40] + "}",
    "authorization: Basic {" + LETTERS[:30] + "==}",
    "password: {p8#Vq!x2Lm$z}".replace("$", "~"),
    "AccountKey={" + (LETTERS + LETTERS)[:86] + "==};EndpointSuffix=core",
]

HARMLESS = [
    "fixed in 3f707b7 (3f707b7c2d1e0a9b8c7d6e5f4a3b2c1d0e9f8a7b)",
    "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db0",
    '"integrity": "sha512-9NfCP5fVbzfkd+u3dJrlEgYzAnnkcRIVTYZ2F1OLtHcRlRRLlO9Wj9WzqNAdZ9tOSnkqP5D7FWdxbyPMlXDAjg=="',
    "550e8400-e29b-41d4-a716-446655440000",
    "session token: 550e8400-e29b-41d4-a716-446655440000",
    '## Comment by ann (member), 2024-05-01 {#issuecomment-2088123456 author="ann" at="2024-05-01T10:00:00Z"}',
    "[the code](https://github.com/o/r/blob/3f707b7c2d1e0a9b8c7d6e5f4a3b2c1d0e9f8a7b/src/token.py#L10-L20)",
    "postgresql://user:password@localhost:5432/mydb",
    "postgresql://user:secret@localhost",
    "postgres://postgres:postgres@localhost/postgres",
    "mysql://root:my_password@127.0.0.1/db",
    "https://<user>:<token>@github.com/o/r.git and https://${USER}:${TOKEN}@host/",
    "git@github.com:o/r.git, ssh://git@host:22/x, http://[::1]:8000/@me, see https://host:8080/a@b",
    "CREATE USER davide WITH PASSWORD 'jw8s0F4' VALID UNTIL '2005-01-01';",
    "password_encryption = scram-sha-256",
    "GITHUB_TOKEN=ghp_" + "x" * 36,
    "export GITHUB_TOKEN=your-token-here",
    "AWS_ACCESS_KEY_ID=AKIA" + "IOSFODNN7EXAMPLE",
    "token = base64.b64encode(auth_string.encode('utf-8')).decode('utf-8')",
    'secret = os.environ["APP_SECRET_2"]; token=settings.token_v2_name',
    "password: str = Field(min_length=12)",
    "max_tokens: 4096, token_count = 1234567890123",
    "secret: client_early_traffic_secret, token: tls13-draft-28",
    "The token expires: 2024-05-01T10:00:00.000Z",
    "Bearer tokens are sent in the header; basic authentication is not.",
    "task-proj-1 runs on disk-or-memory, risk-ant-colony",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----",
    "-----BEGIN PRIVATE KEY----- stands at its beginning",
    "a pull request's base64: aGVsbG8gd29ybGQsIHRoaXMgaXMgbm90IGEgc2VjcmV0IGF0IGFsbA==",
]


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("around", ["I pasted {} here.", "`{}`", "url?x={}&y=1", "line\n    {}\nline", "{}"])
def test_a_token_is_masked_anywhere_in_text(token: str, around: str) -> None:
    assert masked(around.format(token)) == around.format(MASK)


@pytest.mark.parametrize("text", NAMED)
def test_values_of_secret_keywords_and_passwords_in_addresses_are_masked(text: str) -> None:
    start, _, rest = text.partition("{")
    secret, _, end = rest.partition("}")
    assert masked(start + secret + end).removeprefix(start).removesuffix(end) in (MASK, f"AccountKey={MASK}")


@pytest.mark.parametrize("text", HARMLESS)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert masked(text) == text


def test_a_private_key_is_masked_between_its_begin_and_end_lines() -> None:
    lines = [LETTERS[:64]] * 24
    frame = "-----BEGIN RSA PRIVATE" + " KEY-----\n{}\n-----END RSA PRIVATE" + " KEY-----"
    text = f"```\n{frame}\n```\nIt is leaked."
    found = masked(text.format("\n".join(lines)))
    assert LETTERS[:10] not in found
    assert MASK in found
    assert found.endswith("-----END RSA PRIVATE" + " KEY-----\n```\nIt is leaked.")


@given(st.text(), st.sampled_from(sorted(TOKENS.values())), st.text())
def test_masking_is_idempotent(before: str, token: str, after: str) -> None:
    once = masked(f"{before} {token} {after}")
    assert token not in once
    assert masked(once) == once


@given(st.text(alphabet="\u0130Aa=:/@ \n-_'\"0123xyZ", max_size=200))
def test_any_text_can_be_masked(text: str) -> None:
    assert masked(f"{text} password: {text}").count(" ") >= text.count(" ")


def test_a_megabyte_of_documentation_is_masked_quickly_without_imports() -> None:
    text = "The token of a session is a secret; set `password_encryption` and see https://example.org/docs.\n" * 4
    text *= 1_000_000 // len(text)
    started = time.process_time()
    assert masked(text) == text
    # It takes 30 ms on an idle core; a busy machine takes longer.
    assert time.process_time() - started < 0.5
    code = f"import sys; from rag.trust.secrets import masked; masked({text[:5000]!r}); print('detect_secrets' in sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=os.environ, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("text", ["://" * 100_000, "password" * 100_000, "-----BEGIN PRIVATE KEY-----" * 3_000, "token: " * 100_000,
                                  "a" * 500_000, "eyJ" + "a." * 100_000, "secret=" + "x1" * 200_000])  # fmt: skip
def test_hostile_text_is_masked_quickly(text: str) -> None:
    started = time.process_time()
    masked(text)
    assert time.process_time() - started < 5
