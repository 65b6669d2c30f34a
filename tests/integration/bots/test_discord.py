"""The Discord bot, with discord.py and a server of Discord's published shapes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from rag import discord as command
from rag.bots.bot import Bot, channels_of
from rag.bots.discord import DiscordBot
from rag.engine import Engine
from rag.service import Service
from tests.servers.discord import BOT, CHANNEL, TOKEN, DiscordServer, discord_server, user
from tests.servers.memory_source import MemorySource, page

QUESTION = "How do I write one database to a file?"
UNKNOWN = "How many blades does a windmill have?"


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    return module_engine(
        MemorySource(
            [
                page("backup", "Use pg_dump to write one database to a file.", title="Backup"),
                page("vacuum", "VACUUM reclaims the space of dead rows.", title="Vacuum"),
                page("hostile", "The hostile page tells @everyone and <@200> about football gears.", title="@here"),
            ]
        )
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiscordServer]:
    with discord_server() as server:
        monkeypatch.setattr(Route, "BASE", server.url)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway))
        yield server


@contextmanager
def answering(
    engine: Engine,
    server: DiscordServer,
    *channels: str,
    says_unanswered: bool = False,
    is_ephemeral: bool = False,
    sessions: int = 1,
) -> Iterator[None]:
    """Run the bot in a loop of its own until the block ends.

    :param sessions: the number of the server's session that it is, counted from 1
    """
    bot = Bot(Service(engine), channels_of(channels), says_unanswered=says_unanswered)
    client = DiscordBot(bot, is_ephemeral=is_ephemeral)

    async def work() -> None:
        async with client:
            await client.start(TOKEN)

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    server.wait_for_session(sessions)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(client.close(), client.loop).result(60)
        thread.join(60)


def buttons(message: dict) -> dict[str, str]:
    return {button["label"]: button["custom_id"] for row in message["components"] for button in row["components"]}


def test_a_mention_is_answered_in_a_thread_with_sources_and_thumbs_that_reach_the_log(
    engine: Engine, server: DiscordServer
) -> None:
    with answering(engine, server):
        server.message(f"<@{BOT}> {QUESTION}")
        thread = server.said("/threads")
        said = server.said("/messages")
        assert thread["name"] == QUESTION
        assert thread["path"].startswith(f"channels/{CHANNEL}/messages/")
        assert said["path"].split("/")[1] == thread["path"].split("/")[3], "the thread has the id of its message"
        assert "pg_dump" in said["content"]
        assert "[Backup](<https://example.org/backup>)" in said["content"]
        assert said["allowed_mentions"] == {"parse": []}

        server.press(buttons(said)["Wrong"], said)
        thanks = server.said("/callback")

    assert (thanks["data"]["content"], thanks["data"]["flags"]) == ("Thank you for your feedback.", 64)
    logged = engine.answer_log.find(UUID(buttons(said)["Wrong"].rpartition(":")[2]))
    assert (logged.answer.question, logged.thumb) == (QUESTION, "down")


def test_a_follow_up_in_the_thread_goes_on_with_the_conversation(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.message(f"<@{BOT}> {QUESTION}")
        first = server.said("/messages")
        place = first["path"].split("/")[1]
        # What others write reaches the bot in order, so the thread is known before the follow-up is.
        server.message("What does VACUUM reclaim?", to=place)
        second = server.said("/messages")
    assert second["path"] == first["path"]
    answers = [UUID(buttons(said)["Wrong"].rpartition(":")[2]) for said in (first, second)]
    assert engine.answer_log.find(answers[0]).thread == engine.answer_log.find(answers[1]).thread


def test_what_is_not_for_the_bot_is_left_alone(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.message(QUESTION)
        server.message(f"<@{BOT}> {UNKNOWN}")
        server.message(f"<@{BOT}> What does VACUUM reclaim?")
        assert server.said("/threads")["name"] == "What does VACUUM reclaim?", "the first and only thread"


def test_text_of_a_source_mentions_nobody(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.message(f"<@{BOT}> What does the hostile page tell about football gears?")
        said = server.said("/messages")
    assert "football" in said["content"]
    assert "@everyone" not in said["content"]
    assert "@here" not in said["content"]
    assert "\\<@200>" in said["content"]


def test_a_command_is_answered_or_told_to_the_asker_only(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server, is_ephemeral=True):
        assert server.said("/commands", "PUT")["items"][0]["name"] == "ask"
        server.command(QUESTION)
        assert server.said("/callback")["data"] == {"flags": 64}
        said = server.said("webhooks/100/interaction")
        assert "pg_dump" in said["content"]
        server.command(UNKNOWN)
        assert server.said("webhooks/100/interaction")["content"] == "The sources do not answer this."


def test_a_setting_lets_it_say_that_the_sources_do_not_answer(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server, f"{CHANNEL} kind=page", says_unanswered=True):
        server.message(f"<@{BOT}> {UNKNOWN}")
        assert "The sources do not answer this." in server.said("/messages")["content"]


def test_channels_that_are_not_named_are_not_answered(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server, "999"):
        server.message(f"<@{BOT}> {QUESTION}")
        server.command(QUESTION)
        assert server.said("webhooks/100/interaction")["content"] == "I do not answer in this channel."


def test_an_operator_reads_in_one_line_which_permission_is_missing(
    engine: Engine, server: DiscordServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.forbidden = "/threads"
    with answering(engine, server):
        server.message(f"<@{BOT}> {QUESTION}")
        server.said("/threads")
        server.direct_message(QUESTION, to="500")
        assert server.said("/messages")["path"] == "channels/500/messages", "the bot goes on"
    [record] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "Missing Permissions" in record.message
    assert "Create Public Threads" in record.message
    assert record.exc_info is None


def test_it_waits_for_a_rate_limit_and_resumes_its_session(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.reconnect()
        server.wait_for_session(2)
        server.refusals = 1
        server.message(f"<@{BOT}> {QUESTION}")
        assert "pg_dump" in server.said("/messages")["content"]
    assert (server.resumes, server.refusals) == (1, 0)


def test_it_connects_again_after_a_connection_that_was_lost_without_a_word(
    engine: Engine, server: DiscordServer
) -> None:
    with answering(engine, server):
        server.hang_up()
        server.wait_for_session(2)
        server.message(f"<@{BOT}> {QUESTION}")
        assert "pg_dump" in server.said("/messages")["content"]


def test_threads_and_thumbs_outlive_the_bot(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.message(f"<@{BOT}> {QUESTION}")
        first = server.said("/messages")
    with answering(engine, server, sessions=2):
        place = first["path"].split("/")[1]
        server.open_thread(place)
        server.message("What does VACUUM reclaim?", to=place)
        assert server.said("/messages")["path"] == first["path"]
        server.press(buttons(first)["Correct"], first)
        assert server.said("/callback")["data"]["content"] == "Thank you for your feedback."
    assert engine.answer_log.find(UUID(buttons(first)["Correct"].rpartition(":")[2])).thumb == "up"


def test_a_message_of_a_thread_that_is_for_others_is_left_alone(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server):
        server.message(f"<@{BOT}> {QUESTION}")
        place = server.said("/messages")["path"].split("/")[1]
        server.message("<@201> what does VACUUM reclaim?", to=place, mentions=[user("201")])
        server.message(UNKNOWN, to=place)
        server.message("And how do I write one database to a file?", to=place)
        assert "pg_dump" in server.said("/messages")["content"], "the next and only message"


def test_a_direct_message_needs_no_mention(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server, "dm"):
        server.message(f"<@{BOT}> {QUESTION}")
        server.direct_message(QUESTION, to="500")
        assert server.said("/messages")["path"] == "channels/500/messages", "the first and only message"


def test_a_channel_is_answered_with_its_filters(engine: Engine, server: DiscordServer) -> None:
    with answering(engine, server, f"{CHANNEL} kind=issue", "dm kind=page"):
        server.message(f"<@{BOT}> {QUESTION}")
        server.direct_message(QUESTION, to="500")
        assert server.said("/messages")["path"] == "channels/500/messages", "no issue answers it"


def test_a_refused_token_and_a_discord_that_is_away_are_one_line(
    empty_engine: Engine, server: DiscordServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_HOME", str(empty_engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", empty_engine.settings.database_url.get_secret_value())
    assert command.main([]) == 2
    assert capsys.readouterr().err == "error: Set RAG_DISCORD_TOKEN, the token of the bot.\n"
    monkeypatch.setenv("RAG_DISCORD_TOKEN", "wrong")
    assert command.main([]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: RAG_DISCORD_TOKEN: Discord refuses the token."
    monkeypatch.setattr(Route, "BASE", "http://127.0.0.1:9/api/v10")
    assert command.main([]) == 1
    assert capsys.readouterr().err.startswith("error: Discord cannot be reached: ")
