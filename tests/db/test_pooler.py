"""Through a real PgBouncer in transaction mode: limits hold, statements collide with nobody's."""
# ruff: noqa: PT012 - what must raise here is a whole unit of work

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.console.console import Console, ConsoleLimits
from ops_pipeline.db.driver.connection import (
    ConnectionTarget,
    Database,
    SessionLimits,
    target_from_url,
)
from ops_pipeline.db.migrations.runner import LIMITS, Runner
from ops_pipeline.errors import ConstraintViolated, DatabaseUnavailable, MigrationRefused

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer here: apt-get install it")
# Settings that PgBouncer is told to drop in silence, as many guides advise.
DROPPED = "lock_timeout,statement_timeout,idle_in_transaction_session_timeout,"
DROPPED += "default_transaction_isolation,extra_float_digits"
Reach = Callable[[str], ConnectionTarget]


@contextmanager
def _pgbouncer(folder: Path, port: int, urls: DatabaseUrls, ignored: str) -> Iterator[int]:
    """One server session a login and database, so that clients share it."""
    listen = _free_port()
    users = {target.user: target for target in map(target_from_url, _all(urls))}
    (folder / "users.txt").write_text(
        "".join(f'"{user}" "{target.password}"\n' for user, target in users.items())
    )
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {listen}\nauth_type = scram-sha-256\nauth_file = {folder}/users.txt\n"
        f"pool_mode = transaction\ndefault_pool_size = 1\nunix_socket_dir =\n"
        f"ignore_startup_parameters = {ignored}\n"
    )
    command = [str(PGBOUNCER), "-q", str(folder / "pgbouncer.ini")]
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        _wait_for(listen, process)
        yield listen
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _all(urls: DatabaseUrls) -> tuple[str, str, str]:
    return urls.owner, urls.writer, urls.reader


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        else:
            return
    pytest.fail("pgbouncer does not listen")


@pytest.fixture(params=["refuses settings", "drops settings"])
def reach(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, database_urls: DatabaseUrls
) -> Iterator[Reach]:
    """A login's way through a pooler."""
    port = target_from_url(postgres.url).port
    ignored = DROPPED if request.param == "drops settings" else "extra_float_digits"
    folder = Path(tempfile.mkdtemp(prefix="ops-pgbouncer-"))
    with _pgbouncer(folder, port, database_urls, ignored) as listen:
        yield lambda login: replace(
            target_from_url(getattr(database_urls, login)), host="127.0.0.1", port=listen
        )
    shutil.rmtree(folder)


@pytest.fixture
def pooled(reach: Reach) -> Iterator[Database]:
    limits = SessionLimits(statement_ms=300, lock_ms=200)
    with closing(Database(reach("writer"), application_name="tests", limits=limits)) as database:
        assert database.pooled
        yield database


def test_a_pooler_is_told_from_a_server(pooled: Database, db: Database) -> None:
    assert pooled.pooled
    assert not db.pooled


def test_time_limits_hold_in_each_unit_of_work(pooled: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="57014"), pooled.transaction() as tx:
        tx.rows("SELECT pg_sleep(5)")
    with pytest.raises(DatabaseUnavailable, match="57014"), pooled.transaction() as tx:
        tx.script("SELECT pg_sleep(5)")
    with pytest.raises(DatabaseUnavailable, match="57014"):
        pooled.read("SELECT pg_sleep(5)")


def test_times_and_isolation_are_as_without_a_pooler(pooled: Database, admin_db: Database) -> None:
    name = pooled._target.database
    with admin_db.transaction() as tx:
        tx.script(
            f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata';"
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        )
    pooled.close()
    with pooled.transaction() as tx:
        assert tx.rows(
            "SELECT current_setting('TimeZone') AS zone, current_setting('lock_timeout') AS lock,"
            " current_setting('transaction_isolation') AS level"
        ) == [{"zone": "UTC", "lock": "200ms", "level": "read committed"}]


def test_a_limit_of_one_client_is_not_left_to_the_next(reach: Reach, pooled: Database) -> None:
    pooled.read("SELECT 1")
    other = Database(reach("writer"), application_name="tests", limits=SessionLimits())
    with closing(other), other.transaction() as tx:
        assert tx.rows("SELECT current_setting('statement_timeout') AS t") == [{"t": "30s"}]
        assert tx.rows("SELECT pg_sleep(0.5) IS NULL AS void") == [{"void": False}]


def test_statements_of_two_clients_do_not_collide(reach: Reach) -> None:
    first = Database(reach("writer"), application_name="tests")
    second = Database(reach("writer"), application_name="tests")
    with closing(first), closing(second):
        for _ in range(3):
            for number, database in enumerate((first, second)):
                with database.transaction() as tx:
                    tx.enqueue("SELECT CAST(:a AS int)", a=number)
                    assert tx.rows(f"SELECT CAST(:a AS int) + {number} AS n", a=10) == [
                        {"n": 10 + number}
                    ]
                assert database.read("SELECT CAST(:b AS text) AS b", b="x") == [{"b": "x"}]


def test_a_unit_of_work_commits_rolls_back_and_copies(pooled: Database, owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.script("CREATE TABLE notes (id int PRIMARY KEY, body text)")
        tx.script("GRANT ALL ON notes TO ops_pipeline_writer")
    with pooled.transaction() as tx:
        tx.enqueue("INSERT INTO notes VALUES (:id, :body)", id=1, body="a")
        assert tx.execute("INSERT INTO notes VALUES (:id, :body)", id=2, body=None) == 1
        assert tx.copy_in("COPY notes FROM STDIN", [b"3\tc\n", b"4\td\n"]) == 2
    with pytest.raises(ConstraintViolated), pooled.transaction() as tx:
        tx.enqueue("INSERT INTO notes VALUES (5, 'e')")
        tx.enqueue("INSERT INTO notes VALUES (1, 'twice')")
    with pooled.transaction() as tx:
        tx.enqueue("INSERT INTO notes VALUES (6, 'f')")
    assert [row["id"] for row in pooled.read("SELECT id FROM notes ORDER BY id")] == [1, 2, 3, 4, 6]
    assert pooled.read("SELECT id FROM notes WHERE false") == []


def test_clients_at_once_share_one_session(reach: Reach, owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.script("CREATE TABLE counted (n int); INSERT INTO counted VALUES (0)")
        tx.script("GRANT ALL ON counted TO ops_pipeline_writer")

    def count() -> None:
        with closing(Database(reach("writer"), application_name="tests")) as database:
            for _ in range(20):
                with database.transaction() as tx:
                    tx.execute("UPDATE counted SET n = n + :one", one=1)

    clients = [threading.Thread(target=count) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert owner_db.read("SELECT n FROM counted") == [{"n": 80}]


def _answer(console: Console, sql: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(console.run(sql)["body"])
    return found


def test_the_console_reads_with_its_time_limit(reach: Reach) -> None:
    limits = ConsoleLimits(statement_ms=300)
    with closing(Console(reach("reader"), limits)) as console:
        for _ in range(3):
            assert _answer(console, "SELECT count(*) AS n FROM orders")["rows"] == [{"n": 0}]
        assert _answer(console, "SELECT pg_sleep(5)")["sqlstate"] == "57014"
        assert _answer(console, "SHOW statement_timeout")["rows"] == [
            {"statement_timeout": "300ms"}
        ]
        assert _answer(console, "DELETE FROM orders")["sqlstate"] in ("25006", "42501")


@pytest.mark.parametrize("sql", ["PREPARE p AS SELECT 1", "DEALLOCATE ALL", "DISCARD PLANS"])
def test_the_console_leaves_nothing_in_a_shared_session(reach: Reach, sql: str) -> None:
    with closing(Console(reach("reader"))) as console, closing(Console(reach("reader"))) as other:
        assert "behind a pooler" in _answer(console, sql)["error"]
        rows = _answer(other, "SELECT count(*) AS n FROM pg_prepared_statements")["rows"]
        assert rows == [{"n": 0}]
        assert _answer(console, "SELECT 1 AS a")["rows"] == [{"a": 1}]


def test_a_migration_is_refused_and_says_why(reach: Reach, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (id int)")
    database = Database(reach("owner"), application_name="tests", limits=LIMITS)
    with closing(database), pytest.raises(MigrationRefused, match="leads to a pooler"):
        Runner(database, tmp_path).up()


def test_an_error_in_the_database_stays_one(pooled: Database) -> None:
    with pytest.raises(DatabaseError, match="42P01"):
        pooled.read("SELECT * FROM nowhere")
    assert pooled.read("SELECT 1 AS one") == [{"one": 1}]
