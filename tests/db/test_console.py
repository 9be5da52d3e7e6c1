"""The SQL console as an operator and their scripts use it, and as nobody should."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.connection import Database, Target, target_from_url
from ops_pipeline.db.console import Console, ConsoleLimits, run, unique_names


@pytest.fixture
def console(reader_target: Target) -> Iterator[Console]:
    with closing(Console(reader_target)) as opened:
        yield opened


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["success"]) == (200, True), body
    rows: list[dict[str, Any]] = body["rows"]
    return rows


def _error(answer: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer["body"])
    assert (answer["statusCode"], body["success"]) == (400, False), body
    return body


def _value(console: Console, expression: str) -> Any:
    return _rows(console.run(f"SELECT {expression} AS v"))[0]["v"]


def test_the_answer_has_the_shape_that_scripts_read(console: Console) -> None:
    assert console.run("SELECT 1 AS a, 'b' AS b") == {
        "statusCode": 200,
        "body": '{"success": true, "rows": [{"a": 1, "b": "b"}]}',
    }


def test_one_call_opens_and_closes_its_own_connection(
    reader_target: Target, admin_db: Database
) -> None:
    assert _rows(run(reader_target, "SELECT count(*) AS n FROM orders")) == [{"n": 0}]
    # The server notices the end of a session a moment after the client.
    with admin_db.transaction() as tx:
        for _ in range(100):
            sessions = tx.rows(
                "SELECT pid, pg_sleep(0.02) FROM pg_stat_get_activity(NULL) AS s "
                "JOIN pg_database AS d ON d.oid = s.datid WHERE datname = :name",
                name=reader_target.database,
            )
            if not sessions:
                break
    assert sessions == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM accounts;",
        "-- how many\nSELECT count(*) FROM accounts; -- accounts",
        "/* a /* nested */ note; */ SELECT 1 ;",
        "WITH n AS (SELECT generate_series(1, 3) AS i) SELECT sum(i) OVER () FROM n",
        "VALUES (1, 'a'), (2, 'b')",
        "TABLE accounts",
        "SHOW statement_timeout",
        "EXPLAIN SELECT * FROM accounts",
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM accounts",
        "SELECT * FROM information_schema.columns WHERE table_name = 'orders'",
        "SELECT relname FROM pg_catalog.pg_class LIMIT 3",
        "SELECT (ARRAY[1, 2, 3])[1:2]",
        "SELECT '{\"a\": {\"b\": 1}}'::jsonb #> '{a,b}'",
        "SELECT 'a:b' AS \"x:y\", 1::text",
    ],
)
def test_reads_that_people_need_work(console: Console, sql: str) -> None:
    assert _rows(console.run(sql))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NULL", None),
        ("true", True),
        ("9007199254740993::bigint", 9007199254740993),
        ("'NaN'::numeric", "NaN"),
        ("'-Infinity'::float8", "-Infinity"),
        ("1e300::float8", 1e300),
        ("'2026-02-04 09:31:00.5-05'::timestamptz", "2026-02-04T14:31:00.5+00:00"),
        ("'2026-02-04 14:31:00'::timestamp", "2026-02-04T14:31:00"),
        ("'infinity'::timestamptz", "infinity"),
        ("'0044-03-15 BC'::date", "0044-03-15 BC"),
        ("'29999-12-31'::date", "29999-12-31"),
        ("'\\xdeadbeef'::bytea", "\\xdeadbeef"),
        ("'0d9b7c1e-0000-4000-8000-00000000000a'::uuid", "0d9b7c1e-0000-4000-8000-00000000000a"),
        ("interval '1 month 2 days 03:04:05'", "1 mon 2 days 03:04:05"),
        ("int4range(1, 5)", "[1,5)"),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8"),
        ("'10.0.0.1/24'::inet", "10.0.0.1/24"),
        ("ARRAY['a', NULL, 'b,\"c\\', 'NULL', '']", ["a", None, 'b,"c\\', "NULL", ""]),
        ("ARRAY[[1, 2], [3, NULL]]", [[1, 2], [3, None]]),
        ("'[0:1]={7,8}'::int[]", [7, 8]),
        ("'{}'::text[]", []),
        ("ARRAY[1.50, 'NaN']::numeric[]", [1.5, "NaN"]),
        ("ARRAY[true, false]", [True, False]),
        ("ARRAY['{\"a\": [1, null]}']::jsonb[]", [{"a": [1, None]}]),
        ("ARRAY['2026-02-04 14:31+00']::timestamptz[]", ["2026-02-04T14:31:00+00:00"]),
        ('\'{"a": [1, null, "x"]}\'::json', {"a": [1, None, "x"]}),
        ("ROW(1, 'a')", "(1,a)"),
        ("'Zürich \U0001f4c8'", "Zürich \U0001f4c8"),
        ("E'tab\\t quote\" \\u0001'", 'tab\t quote" \x01'),
        ("pg_typeof(1)", "integer"),
    ],
)
def test_every_type_is_valid_json(console: Console, expression: str, expected: Any) -> None:
    assert _value(console, expression) == expected


def test_a_numeric_is_written_digit_for_digit(console: Console) -> None:
    answer = console.run("SELECT 12345678901234567890.1200 AS v, 1.10::numeric(4, 2) AS w")
    assert '"v": 12345678901234567890.1200, "w": 1.10' in answer["body"]


def test_columns_of_one_name_are_kept_apart(console: Console) -> None:
    assert _rows(console.run("SELECT 1 AS n, 2 AS n, 3 AS n_2")) == [{"n": 1, "n_3": 2, "n_2": 3}]
    assert unique_names(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]


def test_no_rows_and_no_columns_are_ordinary_answers(console: Console) -> None:
    assert _rows(console.run("SELECT 1 AS a WHERE false")) == []
    assert _rows(console.run("SELECT")) == [{}]
    assert _rows(console.run("SET TIME ZONE 'Asia/Kolkata'")) == []


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("INSERT INTO feed_state DEFAULT VALUES", "25006"),
        ("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone", "25006"),
        ("CREATE TABLE t (a int)", "25006"),
        ("SELECT 1; DELETE FROM orders", "42601"),
        ("SELECT 1; SELECT 2", "42601"),
        ("COMMIT; DELETE FROM orders", "42601"),
        ("EXPLAIN ANALYZE DELETE FROM orders", "25006"),
        ("SELECT setval('pg_catalog.no_such', 1)", "42P01"),
        ("COPY orders TO '/tmp/orders'", "42501"),
        ("SELECT pg_read_file('/etc/passwd')", "42501"),
        ("SET ROLE ops_pipeline_owner", "42501"),
        ("SELECT no_such_column FROM orders", "42703"),
        ("SELECT 1/0", "22012"),
        ("selec 1", "42601"),
        ("SELECT $1", "08P01"),
    ],
)
def test_what_is_refused_says_why_by_sqlstate(
    console: Console, owner_db: Database, sql: str, sqlstate: str
) -> None:
    assert _error(console.run(sql))["sqlstate"] == sqlstate
    assert _rows(console.run("SELECT 1 AS still_there")) == [{"still_there": 1}]


def test_an_error_names_the_position(console: Console) -> None:
    assert _error(console.run("SELECT nothing"))["position"] == 8


@pytest.mark.parametrize(
    "sql", [None, 7, "", "  \n", "SELECT '\0'", "SELECT '\ud800'", "x" * 200_000]
)
def test_what_is_no_statement_is_refused_before_the_database(console: Console, sql: object) -> None:
    assert _error(console.run(sql))["error"].startswith("InvalidInput: sql ")


def test_a_comment_alone_answers_no_rows(console: Console) -> None:
    assert _rows(console.run("-- nothing")) == []


@pytest.mark.parametrize("login", ["owner", "writer"])
def test_a_login_that_may_write_is_refused(database_urls: DatabaseUrls, login: str) -> None:
    target = target_from_url(getattr(database_urls, login))
    assert _error(run(target, "SELECT 1"))["error"].startswith("WrongRole: this login ")


def test_a_superuser_is_refused(database_urls: DatabaseUrls, admin_db: Database) -> None:
    reader = target_from_url(database_urls.reader)
    with admin_db.transaction() as tx:
        tx.execute("ALTER ROLE ops_pipeline_reader SUPERUSER")
    try:
        assert _error(run(reader, "SELECT 1"))["error"].startswith("WrongRole: this login is super")
    finally:
        with admin_db.transaction() as tx:
            tx.execute("ALTER ROLE ops_pipeline_reader NOSUPERUSER")


def test_read_only_holds_where_a_function_would_write_for_the_reader(
    console: Console, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        tx.script(
            "CREATE FUNCTION forget() RETURNS void SECURITY DEFINER LANGUAGE sql "
            "AS 'DELETE FROM feed_state'"
        )
    assert _error(console.run("SELECT forget()"))["sqlstate"] == "25006"


def test_too_many_rows_are_cut_off_and_said_to_be(reader_target: Target) -> None:
    with closing(Console(reader_target, ConsoleLimits(rows=3))) as console:
        answer = console.run("SELECT generate_series(1, 1000000000) AS i")
        assert json.loads(answer["body"])["truncated"] is True
        assert _rows(answer) == [{"i": 1}, {"i": 2}, {"i": 3}]
        assert "truncated" not in console.run("SELECT generate_series(1, 3)")["body"]


def test_too_many_bytes_are_cut_off_and_said_to_be(reader_target: Target) -> None:
    with closing(Console(reader_target, ConsoleLimits(body_bytes=1_000))) as console:
        answer = console.run("SELECT repeat('x', 400) AS x FROM generate_series(1, 10)")
        assert (len(_rows(answer)), json.loads(answer["body"])["truncated"]) == (2, True)


def test_a_statement_over_its_time_is_cut_off(reader_target: Target) -> None:
    with closing(Console(reader_target, ConsoleLimits(statement_ms=100))) as console:
        assert _error(console.run("SELECT pg_sleep(30)"))["sqlstate"] == "57014"


@pytest.mark.parametrize(
    ("sql", "trace"),
    [
        ("SELECT set_config('work_mem', '1GB', false)", "SELECT current_setting('work_mem')"),
        ("SELECT pg_advisory_lock(1)", "SELECT * FROM pg_locks WHERE locktype = 'advisory'"),
        ("PREPARE p AS SELECT 1", "SELECT name FROM pg_prepared_statements"),
        ("LISTEN orders", "SELECT pg_listening_channels()"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT name FROM pg_cursors"),
        ("SET default_transaction_read_only = off", "SHOW default_transaction_read_only"),
        ("COMMIT", "SHOW transaction_read_only"),
    ],
)
def test_no_statement_leaves_a_trace_in_the_session(console: Console, sql: str, trace: str) -> None:
    before = _rows(console.run(trace))
    _rows(console.run(sql))
    assert _rows(console.run(trace)) == before


def test_copy_to_the_client_gives_the_connection_up_and_the_next_call_works(
    console: Console,
) -> None:
    assert _error(console.run("COPY accounts TO STDOUT"))["sqlstate"] == "08006"
    assert _value(console, "1") == 1


def test_a_connection_that_died_is_replaced(console: Console, admin_db: Database) -> None:
    pid = _value(console, "pg_backend_pid()")
    with admin_db.transaction() as tx:
        tx.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)
    assert _value(console, "1") == 1


def test_a_database_out_of_reach_is_an_answer_without_its_address(reader_target: Target) -> None:
    body = _error(run(replace(reader_target, port=1), "SELECT 1"))
    assert body["sqlstate"] == "08006"
    assert reader_target.host not in body["error"]


def test_a_wrong_password_is_an_answer_without_it(reader_target: Target) -> None:
    body = _error(run(replace(reader_target, password="mistaken"), "SELECT 1"))  # noqa: S106 - wrong
    assert body["sqlstate"] == "28P01"
    assert "mistaken" not in body["error"]
