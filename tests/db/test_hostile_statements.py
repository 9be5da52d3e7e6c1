"""No statement changes a canary or leaves a trace in the session, whichever guard is missing.

Each class runs as the reader, and as the owner of the canary with the check of the login
taken out; then the transaction mode, the one-statement protocol and the discarding of the
session are taken out in turn. A superuser is refused before any statement.
"""

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.console.console import Console, ConsoleLimits
from ops_pipeline.db.console.placeholders import Bound
from ops_pipeline.db.console.protocol import QueryResult
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, Row, target_from_url
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.db.migrations.snapshot import fingerprint
from tests.db.hostile_statements import CLASSES, NOT_TEXT

LIMITS = ConsoleLimits(statement_ms=250, rows=100, body_bytes=100_000)
EGG = Path("/tmp/ops_canary_egg")  # noqa: S108 - where the statements try to write
_NAME = "hostile"
_CANARY = """
CREATE TABLE canary (id int PRIMARY KEY, note text);
INSERT INTO canary VALUES (1, 'alive');
CREATE SEQUENCE canary_numbers;
SELECT lo_from_bytea(4711, 'alive');
CREATE FUNCTION canary_bump() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN UPDATE canary SET note = note || '!'; RETURN 1; END $$;
CREATE PROCEDURE canary_clear() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM canary';
GRANT SELECT ON canary TO ops_pipeline_reader;
"""
_ALIVE = """
SELECT (SELECT json_agg(c) FROM canary AS c)::text AS rows,
    (SELECT concat(last_value, is_called) FROM canary_numbers) AS numbers,
    (SELECT json_agg(m) FROM (SELECT oid, lomowner FROM pg_largeobject_metadata) AS m)::text AS lo,
    convert_from(lo_get(4711), 'UTF8') AS content,
    (SELECT md5(string_agg(r::text, ',' ORDER BY r.rolname)) FROM pg_authid AS r) AS roles,
    (SELECT json_agg(s) FROM pg_db_role_setting AS s)::text AS role_settings,
    (SELECT json_agg(datname ORDER BY datname) FROM pg_database
     WHERE datname NOT LIKE 'test_%')::text AS databases,
    (SELECT count(*) FROM pg_prepared_xacts) AS prepared,
    (SELECT count(*) FROM pg_replication_slots) AS slots,
    (SELECT count(*) FROM pg_replication_origin) AS origins,
    (SELECT md5(string_agg(f::text, ',')) FROM pg_file_settings AS f) AS files
"""
_TRACES = """
SELECT current_user, session_user, current_setting('transaction_read_only') AS mode,
    (SELECT md5(string_agg(name || '=' || coalesce(setting, ''), ',' ORDER BY name))
     FROM pg_settings WHERE name NOT LIKE 'plpgsql.%') AS settings,
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
    (SELECT count(*) FROM pg_listening_channels()) AS channels,
    (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    (SELECT count(*) FROM pg_cursors WHERE name <> '') AS cursors,
    pg_my_temp_schema() AS temporary
"""


class Unchecked(Console):
    """Takes any login."""

    def _check_login(self, found: list[list[Any]]) -> None:
        return None


class ReadWrite(Unchecked):
    """Its transactions may write."""

    def _begin(self) -> PipelinedSession:
        session = self._database.session()
        session.execute_simple("BEGIN READ WRITE; SELECT 1")
        return session


class Stacking(Unchecked):
    """Takes transaction commands, and several statements in one call."""

    def _accepted(self, sql: object) -> str:
        return str(sql)

    def _ask(self, session: PipelinedSession, bound: Bound) -> QueryResult:
        session.execute_simple(bound.sql)
        return QueryResult()


class Keeping(Unchecked):
    """Leaves the session as it is."""

    def _end(self, session: PipelinedSession) -> None:
        session.execute_simple("ROLLBACK")


@pytest.fixture(scope="module")
def urls(admin_db: Database, template_urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """A database with the canary, which the owner of the schema owns."""
    local.clone_database(admin_db, "template_migrated", _NAME)
    found = template_urls.in_database(_NAME)
    owner = Database(target_from_url(found.owner), application_name="tests")
    with closing(owner), owner.transaction() as tx:
        tx.script(_CANARY)
    yield found
    local.drop_database(admin_db, _NAME)


@pytest.fixture(scope="module")
def watcher(urls: DatabaseUrls, admin_db: Database) -> Iterator[Database]:
    """The superuser in the canary's database, listening."""
    target = replace(admin_db._target, database=_NAME)
    with closing(Database(target, application_name="tests")) as database:
        database.session().execute_simple("LISTEN canary")
        yield database


def alive(watcher: Database) -> Row:
    with watcher.transaction() as tx:
        return tx.rows(_ALIVE)[0]


def schema_of(watcher: Database) -> str:
    with watcher.transaction() as tx:
        return fingerprint(tx)


def traces(console: Console) -> dict[str, Any]:
    answer = console.run(_TRACES)
    assert answer["statusCode"] == 200, answer
    row: dict[str, Any] = json.loads(answer["body"])["rows"][0]
    return row


def target_of(urls: DatabaseUrls, login: str) -> ConnectionTarget:
    return target_from_url(getattr(urls, login))


def run_all(console: Console, watcher: Database, statements: list[str]) -> None:
    """Run each; after each the canary is as it was, and after all the session too."""
    before, schema, session = alive(watcher), schema_of(watcher), traces(console)
    for sql in statements:
        answer = console.run(sql)
        body = json.loads(answer["body"])
        assert (answer["statusCode"], body["success"]) in ((200, True), (400, False)), sql
        assert len(answer["body"]) < 2 * LIMITS.body_bytes, sql
        assert traces(console) == session, sql
        assert alive(watcher) == before, sql
    assert schema_of(watcher) == schema
    assert list(watcher.session().notifications) == []
    assert not EGG.exists()


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("login", ["reader", "owner"])
def test_no_hostile_statement_changes_anything(
    urls: DatabaseUrls, watcher: Database, login: str, name: str
) -> None:
    kind = Console if login == "reader" else Unchecked
    with closing(kind(target_of(urls, login), LIMITS)) as console:
        run_all(console, watcher, CLASSES[name])


def test_the_canary_notices_what_gets_through(urls: DatabaseUrls, watcher: Database) -> None:
    before = alive(watcher)
    with closing(ReadWrite(target_of(urls, "owner"), LIMITS)) as console:
        console.run("SELECT nextval('canary_numbers')")
    assert alive(watcher) != before
    with closing(Keeping(target_of(urls, "owner"), LIMITS)) as console:
        session = traces(console)
        console.run("PREPARE egg AS SELECT 1")
        assert traces(console) != session


def test_there_are_enough_of_them() -> None:
    statements = [sql for each in CLASSES.values() for sql in each]
    assert len(set(statements)) == len(statements) >= 150


_QUICK = [name for name in CLASSES if name not in ("resource bombs", "malformed")]


@pytest.mark.parametrize("name", _QUICK)
@pytest.mark.parametrize("kind", [ReadWrite, Stacking])
def test_the_reader_changes_nothing_where_a_guard_is_missing(
    urls: DatabaseUrls, watcher: Database, kind: type[Console], name: str
) -> None:
    with closing(kind(target_of(urls, "reader"), LIMITS)) as console:
        before, schema = alive(watcher), schema_of(watcher)
        for sql in CLASSES[name]:
            console.run(sql)
            assert alive(watcher) == before, sql
        assert schema_of(watcher) == schema
    assert not EGG.exists()


@pytest.mark.parametrize("name", ["transaction mode", "locks and notify", "stacked"])
def test_what_a_session_keeps_opens_no_way_to_write(
    urls: DatabaseUrls, watcher: Database, name: str
) -> None:
    with closing(Keeping(target_of(urls, "owner"), LIMITS)) as console:
        before = alive(watcher)
        for sql in CLASSES[name]:
            console.run(sql)
            console.run("DELETE FROM canary")
            assert alive(watcher) == before, sql


def test_a_superuser_is_refused_before_any_statement(
    urls: DatabaseUrls, watcher: Database, admin_db: Database
) -> None:
    target = replace(admin_db._target, database=_NAME)
    before = alive(watcher)
    with closing(Console(target, LIMITS)) as console:
        for sql in (*CLASSES["direct write"], "SELECT 1"):
            answer = console.run(sql)
            said = json.loads(answer["body"])["error"]
            assert said.startswith(("WrongRole: this login is superuser", "InvalidInput")), sql
    assert alive(watcher) == before


@pytest.mark.parametrize("sql", NOT_TEXT, ids=repr)
def test_what_is_no_text_is_answered_without_a_connection(sql: object) -> None:
    nowhere = ConnectionTarget(host="127.0.0.1", port=1, database="x", user="x", password=None)
    body = json.loads(Console(nowhere).run(sql)["body"])
    assert body["error"] == "InvalidInput: sql must be a statement"


def _with_little_memory(urls: DatabaseUrls, sql: str) -> dict[str, Any]:
    limits = ConsoleLimits(body_bytes=1_000_000)
    with closing(Console(target_of(urls, "reader"), limits)) as console:
        tracemalloc.start()
        answer = console.run(sql)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 20_000_000
        assert console.run("SELECT 1 AS a")["statusCode"] == 200
    told: dict[str, Any] = json.loads(answer["body"])
    return told


def test_a_value_too_large_to_keep_is_never_read(urls: DatabaseUrls) -> None:
    told = _with_little_memory(urls, "SELECT repeat('x', 200000000)")
    assert told == {"success": True, "rows": [], "truncated": True}


def test_an_error_that_quotes_a_large_value_is_read_in_part(urls: DatabaseUrls) -> None:
    told = _with_little_memory(urls, "SELECT repeat('x', 50000000)::int")
    assert told["sqlstate"] == "22P02"
    assert told["error"].startswith('invalid input syntax for type integer: "xxx')
    assert len(told["error"]) < 3_000


def test_a_setting_that_is_reported_back_is_not_read_at_any_length(urls: DatabaseUrls) -> None:
    bomb = "SELECT length(set_config('search_path', repeat('a,', 20000000) || 'a', false)) AS n"
    assert _with_little_memory(urls, bomb).get("rows", []) in ([], [{"n": 40000001}])
