"""An address is printed without its secrets, however its user, password and parameters are written."""

from __future__ import annotations

from contextlib import suppress

import pytest

from rag.trust.urls import SecretUrl, checked, shown, shown_in

CANARY = "c4n4ryXq9"


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        (f"postgresql://app:{CANARY}@db:5432/app", "postgresql://app:********@db:5432/app"),
        (f"postgresql://db/app?user=app&password={CANARY}", "postgresql://db/app?user=app&password=********"),
        (f"postgres://app@db/app?sslpassword={CANARY}&x=1", "postgres://app@db/app?sslpassword=********&x=1"),
        (f"https://{CANARY}@git.example.org/o/r.git", "https://********@git.example.org/o/r.git"),
        (f"https://x:{CANARY}@git.example.org/o/r.git", "https://********@git.example.org/o/r.git"),
        (f"https://api.example.org/v1?api-key={CANARY}", "https://api.example.org/v1?api-key=********"),
        (f"https://api.example.org/v1?api%2Dkey={CANARY}", "https://api.example.org/v1?api%2Dkey=********"),
        ("ssh://git@example.org/o/r.git", "ssh://git@example.org/o/r.git"),
        ("git@example.org:o/r.git", "git@example.org:o/r.git"),
        ("https://example.org/a@b?page=2", "https://********@b?page=2"),
        (f"https://example.org/docs/;jsessionid={CANARY}", "https://example.org/docs/;jsessionid=********"),
        (f"https://example.org/a;x=1;PHPSESSID={CANARY}/b", "https://example.org/a;x=1;PHPSESSID=********/b"),
        (f"https://example.org/?sid={CANARY}#top", "https://example.org/?sid=********#top"),
        (f"https://example.org/#access_token={CANARY}&x=1", "https://example.org/#access_token=********&x=1"),
        (f"https://example.org/?page=2#/in?token={CANARY}", "https://example.org/?page=2#/in?token=********"),
        (f"https://example.org/docs/#{CANARY}", "https://example.org/docs/#********"),
        (
            f"https://hooks.slack.com/services/T0A/B0C/{CANARY}",
            "https://hooks.slack.com/services/********/********/********",
        ),
        (f"https://discord.com/api/webhooks/11223344/{CANARY}", "https://discord.com/api/webhooks/********/********"),
        (f"https://chat.example.org/hooks/{CANARY}", "https://chat.example.org/hooks/********"),
        (f"https://outlook.office.com/webhookb2/{CANARY}", "https://outlook.office.com/webhookb2/********"),
        ("https://docs.github.com/en/webhooks/webhook-events-and-payloads#push", None),
        ("https://example.org/docs/#tls13-handshake", None),
        ("postgresql://db,other:5433/app?target_session_attrs=any", None),
        ("https://example.org/docs/?version=2", None),
    ],
)
def test_a_printed_address_has_no_secret(url: str, printed: str | None) -> None:
    assert shown(url) == (printed or url)
    assert shown(shown(url)) == shown(url)


@pytest.mark.parametrize("scheme", ["postgresql", "https", "http", "postgres"])
@pytest.mark.parametrize("odd", ["@", "/", "#", "?", "%", ":", "%zz", "@/", "?@", "&", " "])
def test_no_part_of_a_password_with_an_unescaped_character_is_printed(scheme: str, odd: str) -> None:
    url = f"{scheme}://app:{CANARY}{odd}{CANARY}@host/path"
    assert CANARY not in shown(url)
    assert CANARY not in f"{SecretUrl(url)}"
    said = []
    with suppress(ValueError):
        try:
            checked(url)
        except ValueError as error:
            said.append(str(error))
            raise
    assert not any(CANARY in message for message in said)


@pytest.mark.parametrize("odd", ["@", "/", "#", "%zz", "%"])
def test_an_unescaped_character_is_refused_with_what_to_write(odd: str) -> None:
    with pytest.raises(ValueError, match="write % as %25"):
        checked(f"https://app:pass{odd}word@host/path")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/docs/",
        "https://u:p%40ss@example.org:8443/x?y=a@b",
        "postgresql://a:b@h1:1,h2:2/db",
        "postgresql:///db?host=/run/postgresql",
        "/srv/repository",
        "git@github.com:o/r.git",
        "https://[::1]:80/x",
    ],
)
def test_a_well_formed_address_is_left_as_it_is(url: str) -> None:
    assert checked(url) == url


def test_a_connection_string_that_is_no_url_is_masked_as_a_whole() -> None:
    assert shown(f"host=db password={CANARY}") == "********"


def test_an_address_is_itself_to_a_client_and_masked_in_a_text() -> None:
    url = SecretUrl(f"https://{CANARY}@example.org/v1")
    assert url == f"https://{CANARY}@example.org/v1"
    assert [CANARY in text for text in (str(url), repr(url), f"{url}", "%s" % url, f"{[url]}")] == [False] * 5  # noqa: UP031


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (f"{{}} failed: https://x:{CANARY}@a.org/b, try again", "https://********@a.org/b, try"),
        (f"{{}} (https://a.org/;jsessionid={CANARY}).", "(https://a.org/;jsessionid=********"),
        (f"{{}} <https://discord.com/api/webhooks/1/{CANARY}>", "<https://discord.com/api/webhooks/1/********>"),
        (f"{{}} postgresql://app:{CANARY}@db/app: no", "postgresql://app:********@db/app: no"),
        ("{} https://medium.com/@ann/story?page=2 is read", "https://medium.com/@ann/story?page=2 is read"),
        ("{} no address; a:b@c", "no address; a:b@c"),
    ],
)
def test_a_text_is_printed_without_the_secrets_of_its_addresses(text: str, printed: str) -> None:
    said = shown_in(text.format("It"))
    assert printed in said
    assert CANARY not in said
    assert shown_in(said) == said
