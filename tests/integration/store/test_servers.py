"""Postgres as people run it: poolers, roles, encodings, other programs' tables, restarts and left-over files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rag.errors import ConfigurationError, DatabaseError, DatabaseUnavailable
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from rag.store.postgres.failures import answered_in_time
from rag.store.sources import UNENDED
from rag.store.store import Store
from tests.processes import wait_for


@contextmanager
def made(server_dsn: str, name: str, options: str = "") -> Iterator[str]:
    """A database of a server, with a name of its own, since the processes of a test run share the server."""
    name = f"{name}_{uuid4().hex[:8]}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}")
        yield make_conninfo(server_dsn, dbname=name)
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# Poolers


@contextmanager
def pgbouncer(dsn: str, mode: str, folder: Path) -> Iterator[str]:
    """pgbouncer in front of a database."""
    if shutil.which("pgbouncer") is None:
        pytest.skip("pgbouncer is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = conninfo_to_dict(dsn)
    settings = f"""
[databases]
app = host={given["host"]} port={given.get("port", 5432)} dbname={given["dbname"]} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""
    (folder / "pgbouncer.ini").write_text(settings)
    (folder / "pgbouncer.ini").chmod(0o644)
    folder.chmod(0o755)
    # It refuses to run as root, and must be able to enter the folder of the socket.
    user = ["-u", Path(str(given["host"])).owner()] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        ["pgbouncer", "-q", *user, str(folder / "pgbouncer.ini")], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    url = f"postgresql://postgres@127.0.0.1:{port}/app"
    try:
        wait_for(lambda: _answers(port) or process.poll() is not None, seconds=30, else_show=lambda: "no pgbouncer")
        if process.poll() is not None:
            pytest.skip(f"pgbouncer does not start: {process.communicate()[1]!r}")
        yield url
    finally:
        process.terminate()
        process.communicate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can read."""
    with tempfile.TemporaryDirectory(prefix="rag-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_in_another_mode_is_refused_and_keeps_no_lock(dsn: str, open_folder: Path, mode: str) -> None:
    with pgbouncer(dsn, mode, open_folder) as url:
        with pytest.raises(ConfigurationError, match=f"a pooler in {mode} mode, .*pool_mode = session"):
            Database(url, embedded=False)
        with psycopg.connect(dsn) as connection:
            locks = (
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory'"
            )
            assert connection.execute(f"{locks} AND datname = current_database()").fetchone() == (0,)


def test_a_pooler_in_session_mode_is_used(dsn: str, open_folder: Path) -> None:
    with pgbouncer(dsn, "session", open_folder) as url, Database(url, embedded=False) as database:
        store = Store(database)
        store.sources.register("docs", "docs")
        with store.sources.locked("docs") as free, store.sources.locked("docs") as free_again:
            assert (free, free_again) == (True, False)


# Databases and roles


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_all_texts_is_refused(server_dsn: str, encoding: str) -> None:
    options = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
    with (
        made(server_dsn, "of_another_encoding", options) as dsn,
        pytest.raises(ConfigurationError, match=f"the encoding {encoding}"),
    ):
        Database(dsn, embedded=False)


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle TO 'German, DMY'",
        "IntervalStyle TO 'sql_standard'",
        "client_encoding TO 'LATIN1'",
        "default_transaction_isolation TO 'serializable'",
        "bytea_output TO 'escape'",
        "standard_conforming_strings TO 'on'",
    ],
)
def test_the_preferences_of_a_database_change_nothing(dsn: str, setting: str) -> None:
    name = conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET {setting}")
    try:
        with Database(dsn, embedded=False) as database:
            store = Store(database)
            store.sources.register("dócs — 文", "docs")
            store.sources.mark_synced("dócs — 文")
            status = store.sources.status()[0]
            assert status.name == "dócs — 文"
            assert abs((store.now() - status.last_success).total_seconds()) < 600  # type: ignore[operator]
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} RESET ALL")


@contextmanager
def role(dsn: str, *grants: str) -> Iterator[str]:
    """A role that may log in, and what it is granted. Its name is fixed, so its tests share a process (xdist_group)."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS plain")
        connection.execute("CREATE ROLE plain LOGIN")
        for grant in grants:
            connection.execute(grant)
        try:
            yield make_conninfo(dsn, user="plain")
        finally:
            connection.execute("DROP OWNED BY plain")
            connection.execute("DROP ROLE plain")


@pytest.mark.xdist_group("role")
def test_a_role_that_may_only_read_is_told_so_when_it_writes(dsn: str) -> None:
    with (
        role(dsn, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain") as url,
        Database(url, embedded=False) as database,
    ):
        store = Store(database)
        assert store.sources.status() == []
        with pytest.raises(DatabaseError, match="the role may not do this"):
            store.sources.register("docs", "docs")


@pytest.mark.xdist_group("role")
def test_a_role_that_may_create_nothing_is_told_what_to_run(server_dsn: str) -> None:
    """In PostgreSQL 15 and newer, only the owner of a database may create tables in public."""
    with made(server_dsn, "without_rights") as dsn, role(dsn) as url:
        for what in (r'GRANT CREATE ON DATABASE .* TO "plain"', "CREATE EXTENSION vector"):
            with pytest.raises(DatabaseError, match=f"run {what};") as error:
                Database(url, embedded=False)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(str(error.value).partition("run ")[2].partition(";")[0])
        with Database(url, embedded=False) as database:
            assert database.schema == "support_engine"


@pytest.mark.xdist_group("role")
def test_a_role_that_may_create_tables_but_no_schema_uses_the_schema_it_has(server_dsn: str) -> None:
    with made(server_dsn, "with_public") as dsn, role(dsn, "GRANT CREATE ON SCHEMA public TO plain") as url:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        with Database(url, embedded=False) as database:
            assert database.schema == "public"


@pytest.mark.xdist_group("role")
def test_a_role_that_may_not_use_the_schema_is_told_which_grant_it_needs(server_dsn: str) -> None:
    with made(server_dsn, "of_another_role") as dsn:
        Database(dsn, embedded=False).close()
        with (
            role(dsn) as url,
            pytest.raises(DatabaseError, match='GRANT USAGE ON SCHEMA "support_engine" TO "plain"'),
        ):
            Database(url, embedded=False)
        with (
            role(
                dsn,
                "GRANT USAGE ON SCHEMA support_engine TO plain",
                "GRANT SELECT ON ALL TABLES IN SCHEMA support_engine TO plain",
            ) as url,
            Database(url, embedded=False) as database,
        ):
            assert Store(database).sources.status() == []


# Other programs in the database

_OTHER_PROGRAM = """
CREATE TABLE migrations ({columns});
CREATE TABLE documents (id int);
CREATE TABLE sources (id int);
CREATE FUNCTION search_terms(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


@pytest.mark.parametrize("columns", ["id int", "name text, checksum text", "name text, checksum text, applied_at date"])
def test_another_program_may_use_the_database_before(server_dsn: str, columns: str) -> None:
    with made(server_dsn, "of_another_program") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(_OTHER_PROGRAM.format(columns=columns))
        for _ in range(2):  # the second time, the schema is there
            with Database(dsn, embedded=False) as database, database.connection() as one, database.connection() as two:
                store = Store(database)
                store.sources.register("docs", "docs")
                for connection in (one, two):
                    assert connection.execute("SELECT name FROM sources").fetchall() == [("docs",)]
        with psycopg.connect(dsn) as connection:
            for table in ("migrations", "documents", "sources"):
                assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (0,)


def test_another_program_may_use_the_database_afterwards(server_dsn: str) -> None:
    with made(server_dsn, "of_two_programs") as dsn:
        with Database(dsn, embedded=False) as database:
            Store(database).sources.register("docs", "docs")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(_OTHER_PROGRAM.format(columns="id int, batch int"))
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE items (embedding vector(3))")
        with Database(dsn, embedded=False) as database:
            assert Store(database).sources.exists("docs")


def test_a_database_of_an_earlier_version_stays_where_it_is(server_dsn: str, dsn: str) -> None:
    """Earlier versions made their tables in public; `dsn` has them there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA support_engine")
    with Database(dsn, embedded=False) as database:
        assert database.schema == "public"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA support_engine")


def test_a_schema_can_be_chosen(server_dsn: str) -> None:
    with made(server_dsn, "with_a_schema") as dsn:
        chosen = f"{dsn} options='-c search_path=mine,public'"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA mine")
        with Database(chosen, embedded=False) as database:
            assert database.schema == "mine"
        with Database(dsn, embedded=False) as database:
            assert database.schema == "support_engine"
        with pytest.raises(ConfigurationError, match="Create it with CREATE SCHEMA"):
            Database(f"{dsn} options='-c search_path=none'", embedded=False)


@pytest.mark.parametrize("columns", ["id int", "name text, checksum text"])
def test_a_chosen_schema_of_another_program_is_left_alone(server_dsn: str, columns: str) -> None:
    with made(server_dsn, "chosen") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE migrations ({columns})")
            connection.execute("CREATE TABLE documents (id int)")
        with pytest.raises((DatabaseError, ConfigurationError), match=r"belongs to another program") as error:
            Database(f"{dsn} options='-c search_path=public'", embedded=False)
        assert "search_path" in str(error.value)


# Restarts


def test_a_read_is_repeated_when_its_connection_was_lost(database: Database, dsn: str) -> None:
    store = Store(database)
    assert store.sources.status() == []
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert not store.sources.exists("docs")
    store.sources.register("docs", "docs")


def test_a_query_that_is_not_answered_is_given_up(database: Database) -> None:
    with (
        pytest.raises(DatabaseError, match="has not answered within 0 seconds"),
        database.connection() as connection,
        answered_in_time(connection, 0.2),
    ):
        connection.execute("SELECT pg_sleep(60)")
    assert Store(database).sources.status() == []


def test_more_locks_than_connections_of_the_pool_can_be_held(database: Database) -> None:
    store = Store(database)
    held = threading.Barrier(12)
    free = []

    def hold(number: int) -> None:
        with store.sources.locked(f"source {number}") as is_free:
            held.wait(60)
            free.append(is_free)
            store.sources.exists("docs")

    threads = [threading.Thread(target=hold, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert free == [True] * 12


def test_a_killed_sync_is_an_error_of_its_source(dsn: str, store: Store) -> None:
    store.sources.register("docs", "docs")
    code = f"""
import sys
from rag.store.postgres.database import Database
from rag.store.store import Store
store = Store(Database({dsn!r}, embedded=True))
with store.sources.locked("docs"):
    store.sources.mark_started("docs")
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sync:
        assert sync.stdout
        assert sync.stdout.readline() == "locked\n"
        assert store.sources.status()[0].last_error is None, "it is running"
        sync.kill()
    wait_for(lambda: store.sources.status()[0].last_error, seconds=30, else_show=lambda: "no error")
    assert store.sources.status()[0].last_error == UNENDED


@pytest.fixture
def own_home() -> Iterator[Path]:
    """A RAG_HOME with an embedded Postgres of its own."""
    with tempfile.TemporaryDirectory(prefix="rag-") as folder:
        home = Path(folder) / "home"
        yield home
        stop_embedded(home)


def test_the_embedded_server_comes_back_after_it_was_killed(own_home: Path) -> None:
    """One server for three things that go wrong: starting one takes seconds."""
    lock = own_home / "postgres" / "postmaster.pid"
    with Database.open(url=None, home=own_home) as database:
        store = Store(database)
        store.sources.register("docs", "docs")
        _kill(lock)

        assert store.sources.exists("docs"), "a read starts the server again"

    # A crash, and another process has the number by now.
    text = lock.read_text().splitlines()
    _kill(lock)
    lock.write_text("\n".join([str(os.getpid()), *text[1:]]) + "\n")

    with Database(embedded_dsn(own_home), embedded=True) as database:
        assert Store(database).sources.exists("docs")


def _kill(lock: Path) -> None:
    number = int(lock.read_text().splitlines()[0])
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: not _is_running(number), seconds=30, else_show=lambda: "still there")


def _is_running(number: int) -> bool:
    import psutil

    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_server_that_is_gone_is_one_line(new_dsn: Callable[[], str]) -> None:
    database = Database(new_dsn(), embedded=True, restart=lambda: "host=127.0.0.1 port=1 connect_timeout=1")
    with database:
        store = Store(database)
        with database.connection(), pytest.raises((DatabaseUnavailable, DatabaseError)) as error:
            store.sources.status()
    assert "\n" not in str(error.value)
