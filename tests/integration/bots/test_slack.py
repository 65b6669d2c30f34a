"""The Slack bot, with slack_bolt and a server of Slack's published shapes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from rag import slack as command
from rag.bots.bot import Bot, channels_of
from rag.bots.slack import slack_app
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.service import Service
from tests.servers.docs_site import DocsSite
from tests.servers.memory_source import MemorySource, page
from tests.servers.slack import APP_TOKEN, BOT, CHANNEL, TOKEN, USER, SlackServer, slack_server

QUESTION = "How do I write one database to a file?"
HOSTILE = "The hostile page tells <!channel> and <@U0ANN> about [windmills](https://evil.example) & gears."


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    return module_engine(
        MemorySource(
            [
                page("backup", "Use pg_dump to write one database to a file.", title="Backup"),
                page("vacuum", "VACUUM reclaims the space of dead rows.", title="Vacuum"),
                page("hostile", HOSTILE, title="Hostile <!here> page"),
            ]
        )
    )


@pytest.fixture
def server() -> Iterator[SlackServer]:
    with slack_server() as server:
        yield server


@contextmanager
def answering(
    engine: Engine, server: SlackServer, *channels: str, says_unanswered: bool = False, is_ephemeral: bool = False
) -> Iterator[None]:
    """Run the bot until the block ends."""
    bot = Bot(Service(engine), channels_of(channels), says_unanswered=says_unanswered)
    app = slack_app(bot, WebClient(token=TOKEN, base_url=server.url), is_ephemeral=is_ephemeral)
    handler = SocketModeHandler(app, APP_TOKEN, web_client=WebClient(base_url=server.url))
    handler.connect()
    server.wait_for_connection(1)
    try:
        yield
    finally:
        # A client that waits for a message notices after three seconds that it is closed.
        handler.client.auto_reconnect_enabled = False
        server.hang_up()
        handler.close()


def buttons(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    elements = next(block for block in message["blocks"] if block["type"] == "actions")["elements"]
    return {button["action_id"]: button for button in elements}


def text_of(message: dict[str, Any]) -> str:
    return "\n".join(block["text"]["text"] for block in message["blocks"] if block["type"] == "section")


def test_a_mention_is_answered_in_its_thread_with_sources_and_thumbs_that_reach_the_log(
    engine: Engine, server: SlackServer
) -> None:
    with answering(engine, server):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="1.1")
        said = server.said("chat.postMessage")
        assert (said["channel"], said["thread_ts"]) == (CHANNEL, "1.1")
        assert "pg_dump" in text_of(said)
        assert "<https://example.org/backup|Backup>" in text_of(said)

        server.press(buttons(said)["thumb_down"])
        thanks = server.said("respond")

    answer = UUID(buttons(said)["thumb_down"]["value"])
    assert thanks["response_type"] == "ephemeral"
    logged = engine.answer_log.find(answer)
    assert (logged.answer.question, logged.thumb) == (QUESTION, "down")


def test_a_follow_up_in_the_thread_goes_on_with_the_conversation(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="2.1")
        first = server.said("chat.postMessage")
        server.event("message", text="What does VACUUM reclaim?", ts="2.2", thread_ts="2.1")
        second = server.said("chat.postMessage")

    assert second["thread_ts"] == "2.1"
    threads = [engine.answer_log.find(UUID(buttons(said)["thumb_up"]["value"])).thread for said in (first, second)]
    assert threads[0] == threads[1]


def test_what_is_not_for_the_bot_is_left_alone(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.event("message", text=QUESTION, ts="3.1")
        server.event("message", text=QUESTION, ts="3.2", thread_ts="3.0")
        server.event("message", text=QUESTION, ts="3.3", bot_id="B1", channel_type="im")
        server.event("app_mention", text=f"<@{BOT}> How many blades does a windmill have?", ts="3.4")
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="3.5")
        assert server.said("chat.postMessage")["thread_ts"] == "3.5", "the first and only message"
        server.event("message", text="<@U0BOB> how do I write one database to a file?", ts="3.6", thread_ts="3.5")
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="3.5")
        server.event("message", text=QUESTION, ts="3.7", channel="D1", channel_type="im")
        assert server.said("chat.postMessage")["channel"] == "D1"


def test_a_setting_lets_it_say_that_the_sources_do_not_answer(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server, says_unanswered=True):
        server.event("app_mention", text=f"<@{BOT}> How many blades does a football have?", ts="4.1")
        assert "The sources do not answer this." in text_of(server.said("chat.postMessage"))


def test_text_of_a_source_mentions_nobody_and_hides_no_link(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.event("app_mention", text=f"<@{BOT}> What does the hostile page tell about windmills?", ts="5.1")
        said = server.said("chat.postMessage")
    shown = json.dumps(said)
    assert "windmills" in shown
    assert "<!" not in shown
    assert f"<@{USER}>" not in shown
    assert "evil.example" not in text_of(said)
    assert all(block["text"]["verbatim"] for block in said["blocks"] if block["type"] == "section")


def test_a_command_makes_a_thread_or_tells_only_the_asker(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.command(QUESTION)
        asked, answered = server.said("chat.postMessage"), server.said("chat.postMessage")
        assert asked["text"] == f"<@{USER}> asks: {QUESTION}"
        assert answered["thread_ts"].startswith("99.")
        server.command("How many blades does a windmill have?")
        assert server.said("respond") == {
            "text": "The sources do not answer this.",
            "response_type": "ephemeral",
        }


def test_answers_may_be_for_the_asker_only(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server, is_ephemeral=True):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="6.1")
        said = server.said("chat.postEphemeral")
        assert (said["user"], said["thread_ts"]) == (USER, "6.1")
        server.command(QUESTION)
        assert server.said("respond")["response_type"] == "ephemeral"


def test_channels_have_filters_and_others_are_not_answered(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server, f"{CHANNEL} kind=page", "C0OTHER kind=issue"):
        for channel, ts in (("C0ELSE", "7.1"), ("C0OTHER", "7.2"), (CHANNEL, "7.3")):
            server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts=ts, channel=channel)
        assert server.said("chat.postMessage")["channel"] == CHANNEL
        server.command(QUESTION, channel="C0ELSE")
        assert server.said("respond")["text"] == "I do not answer in this channel."


def test_it_waits_for_a_rate_limit_and_connects_again(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.disconnect()
        server.wait_for_connection(2)
        server.refusals = 1
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="8.1")
        assert server.said("chat.postMessage")["thread_ts"] == "8.1"
    assert server.refusals == 0


def test_it_connects_again_after_a_connection_that_was_lost_without_a_word(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.hang_up()
        server.wait_for_connection(2)
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="10.1")
        assert server.said("chat.postMessage")["thread_ts"] == "10.1"


def test_threads_and_thumbs_outlive_the_bot(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="11.1")
        first = server.said("chat.postMessage")
    with slack_server() as after, answering(engine, after):
        after.event("message", text="What does VACUUM reclaim?", ts="11.2", thread_ts="11.1")
        assert after.said("chat.postMessage")["thread_ts"] == "11.1"
        after.press(buttons(first)["thumb_up"])
        assert after.said("respond")["text"] == "Thank you for your feedback."
    assert engine.answer_log.find(UUID(buttons(first)["thumb_up"]["value"])).thumb == "up"


def test_a_follow_up_that_the_sources_do_not_answer_gets_silence(engine: Engine, server: SlackServer) -> None:
    with answering(engine, server):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="12.1")
        server.said("chat.postMessage")
        server.event("message", text="How many blades does a windmill have?", ts="12.2", thread_ts="12.1")
        server.event("message", text="What does VACUUM reclaim?", ts="12.3", thread_ts="12.1")
        assert "VACUUM" in text_of(server.said("chat.postMessage"))


def test_a_stale_answer_leads_to_the_thread_in_which_it_was_asked(empty_engine: Engine, server: SlackServer) -> None:
    empty_engine.syncs.ingest(MemorySource([page("backup", "Use pg_dump to write one database to a file.")]))
    with answering(empty_engine, server):
        server.event("app_mention", text=f"<@{BOT}> {QUESTION}", ts="9.1")
        server.said("chat.getPermalink")
        server.event("message", text="thanks", ts="9.2")  # it is handled after the thread is remembered
    empty_engine.syncs.ingest(MemorySource([page("backup", "Use pg_dumpall to write all databases to a file.")]))
    [stale] = empty_engine.insights.report().stale
    assert stale.link == f"https://x.slack.com/archives/{CHANNEL}/p1"


def test_a_refused_token_is_one_line(engine: Engine, server: SlackServer) -> None:
    bot = Bot(Service(engine), {}, says_unanswered=False)
    with pytest.raises(ConfigurationError, match="Slack refuses the token: invalid_auth"):
        slack_app(bot, WebClient(token="xoxb-wrong", base_url=server.url))


@pytest.fixture
def settings_of_the_command(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("RAG_HOME", str(empty_engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", empty_engine.settings.database_url.get_secret_value())
    return monkeypatch


def test_without_tokens_the_command_says_what_to_set(
    settings_of_the_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 2
    assert capsys.readouterr().err == "error: Set RAG_SLACK_BOT_TOKEN (xoxb-…) and RAG_SLACK_APP_TOKEN (xapp-…).\n"


@pytest.mark.parametrize(
    ("bot", "app", "said"),
    [
        ("xoxb-wrong", APP_TOKEN, "RAG_SLACK_BOT_TOKEN: Slack refuses the token: invalid_auth."),
        (TOKEN, "xapp-wrong", "RAG_SLACK_APP_TOKEN: Slack refuses the token: invalid_auth."),
    ],
)
def test_the_command_says_which_token_is_refused(
    settings_of_the_command: pytest.MonkeyPatch,
    server: SlackServer,
    capsys: pytest.CaptureFixture[str],
    bot: str,
    app: str,
    said: str,
) -> None:
    settings_of_the_command.setenv("RAG_SLACK_BOT_TOKEN", bot)
    settings_of_the_command.setenv("RAG_SLACK_APP_TOKEN", app)
    settings_of_the_command.setattr(
        logging.root, "handlers", []
    )  # the command logs to stderr unless something does already
    assert command.main(["--api", server.url]) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


@pytest.mark.parametrize(
    ("api", "said"), [("http://127.0.0.1:9/api/", "Slack cannot be reached: "), (None, "unexpected reply")]
)
def test_a_slack_that_is_away_is_one_line(
    settings_of_the_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], api: str | None, said: str
) -> None:
    settings_of_the_command.setenv("RAG_SLACK_BOT_TOKEN", TOKEN)
    settings_of_the_command.setenv("RAG_SLACK_APP_TOKEN", APP_TOKEN)
    with DocsSite() as proxy:  # answers 404 with a page
        assert command.main(["--api", api or proxy.url("/api/")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: Slack ")
    assert said in line
