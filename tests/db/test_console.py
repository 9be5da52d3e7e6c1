"""The SQL console as an operator and their scripts use it, and as nobody should."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import roles
from ops_pipeline.db.console.body import unique_names
from ops_pipeline.db.console.console import Console, ConsoleLimits, run
from ops_pipeline.db.console.login import NoTimeLimit, require_limit
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url


@pytest.fixture
def console(reader_target: ConnectionTarget) -> Iterator[Console]:
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


def _nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def _value(console: Console, expression: str) -> Any:
    return _rows(console.run(f"SELECT {expression} AS v"))[0]["v"]


def test_the_answer_has_the_shape_that_scripts_read(console: Console) -> None:
    assert console.run("SELECT 1 AS a, 'b' AS b") == {
        "statusCode": 200,
        "body": '{"success": true, "rows": [{"a": 1, "b": "b"}]}',
    }


def test_one_call_opens_and_closes_its_own_connection(
    reader_target: ConnectionTarget, admin_db: Database
) -> None:
    assert _rows(run(reader_target, "SELECT count(*) AS n FROM orders")) == [{"n": 0}]
    # The server notices the end of a session a moment after the client; a transaction would
    # see the same list for as long as it lasts.
    for _ in range(100):
        sessions = admin_db.read(
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
        "SELECT count(*) FROM accounts ; \n ",
        "-- how many\nSELECT count(*) FROM accounts; -- accounts",
        "/* a /* nested */ note; */ SELECT 1 ;",
        "WITH n AS (SELECT generate_series(1, 3) AS i) SELECT sum(i) OVER () FROM n",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) TABLE r",
        "SELECT account_name, rank() OVER (ORDER BY max_exposure DESC) FROM accounts",
        "SELECT count(*) FILTER (WHERE active) FROM accounts GROUP BY ROLLUP (execution_mode)",
        "VALUES (1, 'a'), (2, 'b')",
        "TABLE accounts",
        "SHOW statement_timeout",
        "SHOW ALL",
        "EXPLAIN SELECT * FROM accounts",
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM accounts",
        "EXPLAIN ANALYZE SELECT count(*) FROM orders JOIN accounts USING (account_name)",
        "SELECT * FROM information_schema.columns WHERE table_name = 'orders'",
        "SELECT relname FROM pg_catalog.pg_class LIMIT 3",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_settings WHERE name LIKE 'work%'",
        "SELECT pg_size_pretty(pg_database_size(current_database()))",
        "SELECT * FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass",
        "SELECT * FROM generate_series(1, 3) WITH ORDINALITY",
        "SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) AS t (n, s)",
        "SELECT * FROM jsonb_each('{\"a\": 1}')",
        "SELECT * FROM json_to_recordset('[{\"a\": 1}]') AS t (a int)",
        "SELECT '{\"a\": {\"b\": 1}}'::jsonb #> '{a,b}', '{\"a\": 1}'::jsonb ? 'a'",
        "SELECT '{\"a\": [1, 2]}'::jsonb @? '$.a[*] ? (@ > 1)'",
        "SELECT (ARRAY[1, 2, 3])[1:2], 1 = ANY (ARRAY[1, 2])",
        "SELECT 'a:b' AS \"x:y\", 1::text",
        "SELECT 'commit; begin' AS words, $$; delete from accounts$$ AS more",
        "SELECT regexp_matches('a1b2', '[0-9]', 'g'), format('%s', 1), to_char(1.5, '9.99')",
        "SELECT timestamptz '2026-02-04 14:31+00' AT TIME ZONE 'America/New_York'",
        "SELECT CASE WHEN true THEN 1 END, coalesce(NULL, 2), t.n FROM (SELECT 3) AS t (n)",
        "SELECT a.account_name, t.n FROM accounts AS a CROSS JOIN LATERAL (SELECT 1 AS n) AS t",
        "SELECT DISTINCT ON (execution_mode) * FROM accounts ORDER BY execution_mode, account_name",
        "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 1",
        "SELECT * FROM accounts TABLESAMPLE SYSTEM (100)",
        "SELECT account_name FROM accounts ORDER BY 1 LIMIT 1 OFFSET 1",
        "SELECT pg_typeof(now()), current_user, version(), now() - interval '1 day'",
        "SELECT has_table_privilege('orders', 'SELECT')",
        "select\tcount(*)\r\nfrom accounts",
        "SELECT * FROM schema_migrations ORDER BY version",
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
        ("repeat('9', 5000)::numeric", "9" * 5000),
        ("ARRAY[repeat('9', 5000)::numeric]", ["9" * 5000]),
        ("('[' || repeat('9', 5000) || ']')::json", f"[{'9' * 5000}]"),
        ("(repeat('[', 3000) || repeat(']', 3000))::jsonb", "[" * 3000 + "]" * 3000),
        ("('[' || repeat('{},', 600) || '\"[[[\"]')::json", [*[{}] * 600, "[[["]),
        ("'\"\\ud800\"'::json", "\ud800"),
        ("E'\\u2028\\u007f'", "\u2028\x7f"),
        ("nummultirange(numrange(1, 2), numrange(3, 4))", "{[1,2),[3,4)}"),
        ("'-infinity'::interval", "-infinity"),
        ("'24:00:00'::time", "24:00:00"),
        ("1234.5::money", "$1,234.50"),
        ("'a:1 b:2'::tsvector", "'a':1 'b':2"),
        ("B'0101'", "0101"),
        ("ARRAY['((1,2),(3,4))'::box]", "{(3,4),(1,2)}"),
    ],
)  # fmt: skip
def test_every_type_is_valid_json(console: Console, expression: str, expected: Any) -> None:
    assert _value(console, expression) == expected


_EVERY_TYPE = """
SELECT format_type(t.oid, NULL) AS name FROM pg_type AS t
WHERE t.typtype IN ('b', 'r', 'm', 'e', 'd') AND t.typisdefined
AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
"""
_SAMPLES = {
    "box": "box '((1,2),(3,4))'", "box[]": "ARRAY[box '((1,2),(3,4))', NULL]",
    "point[]": "ARRAY[point '(1,2)']", "polygon": "polygon '((0,0),(1,1))'",
    "money": "'1.50'::money", "xid8": "'5'::xid8", "bit varying[]": "ARRAY[B'101']",
    "tsvector": "to_tsvector('a \"quoted\" word')", "jsonpath": "'$.a'::jsonpath",
    "int4multirange": "'{[1,3),[5,6)}'::int4multirange", "int4range[]": "ARRAY[int4range(1, 5)]",
    "macaddr8": "'08:00:2b:01:02:03:04:05'::macaddr8", "oidvector": "'1 2'::oidvector",
    "regclass[]": "ARRAY['accounts'::regclass]", "uuid[]": "ARRAY[NULL::uuid]",
    "interval[]": "ARRAY[interval '1 day']", "\"char\"": "'\\'::\"char\"",
    "date[]": "ARRAY[date 'infinity', date '4713-01-01 BC']", "name[]": "ARRAY['a'::name]",
    "xml": "'<a>\"</a>'::xml",
}  # fmt: skip


def test_no_type_of_this_server_spoils_the_json(console: Console, owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.script("CREATE TYPE mood AS ENUM ('low', 'hi,gh')")
        tx.script("CREATE DOMAIN price AS numeric")
        tx.script("CREATE TYPE pair AS (a int, b text)")
        names = [row["name"] for row in tx.rows(_EVERY_TYPE)]
    assert len(names) > 150
    casts = [f"NULL::{name} AS v" for name in names]
    for start in range(0, len(casts), 50):
        assert _rows(console.run(f"SELECT {', '.join(casts[start : start + 50])}"))
    for name, sample in _SAMPLES.items():
        if name == "xml":
            continue  # only where the server was built with it
        assert "v" in _rows(console.run(f"SELECT {sample} AS v"))[0], name


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ARRAY['hi,gh', NULL]::mood[]", ["hi,gh", None]),
        ("ARRAY[1.50]::price[]", [1.5]),
        ("ARRAY[ROW(1, 'a b')::pair]", ['(1,"a b")']),
        ("ARRAY[interval '1 day']", ["1 day"]),
        ("ARRAY[int4range(1, 5)]", ["[1,5)"]),
        ("ARRAY['accounts'::regclass]", ["accounts"]),
        ("ARRAY[box '((1,2),(3,4))']", "{(3,4),(1,2)}"),
    ],
)
def test_arrays_of_any_type_are_lists(
    console: Console, owner_db: Database, expression: str, expected: Any
) -> None:
    with owner_db.transaction() as tx:
        tx.script(
            "CREATE TYPE mood AS ENUM ('low', 'hi,gh'); CREATE DOMAIN price AS numeric;"
            "CREATE TYPE pair AS (a int, b text)"
        )
    assert _value(console, expression) == expected


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        ("SELECT $1::int + $2 AS v", [1, 2], 3),
        ("SELECT $1 || 'b' AS v", ["a'; DROP TABLE accounts --"], "a'; DROP TABLE accounts --b"),
        ("SELECT $1::bool AS v", [True], True),
        ("SELECT $1::numeric AS v", [1.25], 1.25),
        ("SELECT $1::text IS NULL AS v", [None], True),
        ("SELECT $1::int[] AS v", [[1, None, 3]], [1, None, 3]),
        ("SELECT $1::text[] AS v", [['a"b', "c\\d", "", "{}", "NULL"]],
         ['a"b', "c\\d", "", "{}", "NULL"]),
        ("SELECT $1::int[] AS v", [[[1, 2], [3, 4]]], [[1, 2], [3, 4]]),
        ("SELECT $1::jsonb ->> 'a' AS v", [{"a": "ü"}], "ü"),
        ("SELECT count(*) AS v FROM accounts WHERE account_name = $1", ["tiny"], 1),
        ("SELECT :n::int + :n AS v", {"n": 2}, 4),
        ("SELECT :a || ':b' || $$:a$$ AS v -- :a", {"a": "x"}, "x:b:a"),
        ("SELECT (ARRAY[1, 2, 3])[1:n] AS v FROM (SELECT :m::int AS n) AS t", {"m": 2}, [1, 2]),
    ],
)  # fmt: skip
def test_placeholders_take_json_values(
    console: Console, sql: str, params: object, expected: Any
) -> None:
    assert _rows(console.run(sql, params))[0]["v"] == expected


@pytest.mark.parametrize(
    ("sql", "params", "told"),
    [
        ("SELECT 1", "text", "InvalidInput: params must be a list"),
        ("SELECT $1", [chr(0)], "InvalidInput: params holds a NUL"),
        ("SELECT $1", ["\ud800"], "InvalidInput: params holds what is not Unicode"),
        ("SELECT :a", {"a": 1, "b": 2}, "InvalidInput: params has b, which"),
        ("SELECT 'open :a", {"a": 1}, "InvalidInput: sql line 1: a quote never ends"),
        ("SELECT $1", [], "bind message supplies 0 parameters"),
        ("SELECT $1::int", ["x"], "invalid input syntax for type integer"),
        ("SELECT 1", [1] * 70_000, "InvalidInput: params are more than 65535 values"),
        ("SELECT $1", [_nested(2000)], "InvalidInput: params are nested too deeply"),
        ("SELECT $1::json", [{"a": _nested(2000)}], "InvalidInput: params are nested too deeply"),
        ("SELECT $1", [Decimal("1.5")], "InvalidInput: params hold what is no JSON"),
        ("SELECT $1", [10**5000], "InvalidInput: params hold what is no JSON"),
        ("SELECT 1", {1: 1}, "InvalidInput: params must be a list"),
        ("SELECT $1", ["x" * 6_000_000], "InvalidInput: params are longer than 5000000"),
    ],
)
def test_placeholders_that_do_not_fit_are_told(
    console: Console, sql: str, params: object, told: str
) -> None:
    assert _error(console.run(sql, params))["error"].startswith(told)


def test_a_position_is_that_of_the_statement_as_it_was_given(console: Console) -> None:
    sql = "SELECT :first::int, :second::int, nothing"
    body = _error(console.run(sql, {"first": 1, "second": 2}))
    assert body["position"] == sql.index("nothing") + 1


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
    assert _rows(console.run("SELECT pg_sleep(0), set_config FROM (SELECT 1) AS t (set_config)"))


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("INSERT INTO feed_state DEFAULT VALUES", "25006"),
        ("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone", "25006"),
        ("CREATE TABLE t (a int)", "25006"),
        ("SELECT 1; DELETE FROM orders", "42601"),
        ("SELECT 1; SELECT 2", "42601"),
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


@pytest.mark.parametrize("sql", ["-- nothing", ";", ";;;", " ; -- a\n;", "/* ; */"])
def test_no_statement_is_said_to_be_none(console: Console, sql: str) -> None:
    assert _error(console.run(sql))["error"] == "InvalidInput: sql holds no statement"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_lock(729104001)",
        "SELECT pg_try_advisory_xact_lock(1, 2)",
        'SELECT pg_catalog . "pg_advisory_lock" /* ( */ (1)',
        'SELECT U&"\\0070g_advisory_lock"(1)',
        "WITH x AS (SELECT PG_Advisory_Lock_Shared(1)) SELECT 1",
        "EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
        "PREPARE p AS SELECT pg_advisory_lock(1)",
        "SELECT query_to_xml('SELECT pg_advisory_lock(1)', true, false, '')",
        "SELECT ts_stat('SELECT pg_advisory_lock(1), to_tsvector(1::text)')",
        "SELECT ts_rewrite('a', 'SELECT ''a''::tsquery, ''b''::tsquery FROM pg_notify(1, 2)')",
        "SELECT ts_rewrite('a', $1)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_cancel_backend(1)",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT pg_notify('a', 'b')",
        "NOTIFY a",
        "LISTEN a",
        "UNLISTEN *",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SET statement_timeout = 0",
        'SET LOCAL "STATEMENT_TIMEOUT" TO 0',
        "SET SESSION transaction_timeout = 0",
        "RESET statement_timeout",
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT set_config('Lock_Timeout', '0', false)",
        "SELECT set_config('statement_' || 'timeout', '0', false)",
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name ~ 'timeout'",
        "SELECT set_config('work_mem', '4GB', false), count(*) FROM orders AS a, orders AS b",
        "SELECT set_config('work_mem', '4GB', false) FROM orders",
        "SELECT set_config($1, '4GB', false)",
    ],
)
def test_what_would_reach_beyond_a_reading_statement_is_refused(console: Console, sql: str) -> None:
    assert _error(console.run(sql))["error"].startswith("InvalidInput: ")


def test_names_and_words_of_what_is_refused_may_be_spoken_of(console: Console) -> None:
    sql = """SELECT 'pg_advisory_lock(1)' AS "listen", $$NOTIFY a$$ AS lo_create, -- pg_notify(1)
        (SELECT count(*) FROM pg_proc WHERE proname IN ('set_config', 'statement_timeout')) AS n"""
    assert _rows(console.run(sql))[0]["listen"] == "pg_advisory_lock(1)"


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


def test_too_many_rows_are_cut_off_and_said_to_be(reader_target: ConnectionTarget) -> None:
    with closing(Console(reader_target, ConsoleLimits(rows=3))) as console:
        answer = console.run("SELECT generate_series(1, 1000000000) AS i")
        assert json.loads(answer["body"])["truncated"] is True
        assert _rows(answer) == [{"i": 1}, {"i": 2}, {"i": 3}]
        assert "truncated" not in console.run("SELECT generate_series(1, 3)")["body"]


def test_too_many_bytes_are_cut_off_and_said_to_be(reader_target: ConnectionTarget) -> None:
    with closing(Console(reader_target, ConsoleLimits(body_bytes=1_000))) as console:
        answer = console.run("SELECT repeat('x', 400) AS x FROM generate_series(1, 10)")
        assert (len(_rows(answer)), json.loads(answer["body"])["truncated"]) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n, repeat('x', 60000000 + n) AS v FROM generate_series(1, 2) AS n",
        "VALUES (1, repeat('x', 60000000))",
        "WITH w AS (SELECT array_fill(1, ARRAY[15000000]) AS v) SELECT 1 AS n, v FROM w; -- all",
        "SELECT 1 AS n, $1::text || repeat('x', 60000000) AS v",
    ],
)
def test_a_value_longer_than_an_answer_is_not_written_out_by_the_server(
    console: Console, sql: str
) -> None:
    pid = _value(console, "pg_backend_pid()")
    answer = console.run(sql, ["x"] if "$1" in sql else None)
    assert json.loads(answer["body"]) == {"success": True, "rows": [], "truncated": True}
    # The value itself once, or twice where the planner computes it; never as text in a message.
    assert _highest_memory_mb(pid) < 190
    assert _value(console, "pg_backend_pid()") == pid


def test_rows_before_a_row_that_is_too_long_are_answered(console: Console) -> None:
    answer = console.run("SELECT n, repeat('x', n) AS v FROM unnest(ARRAY[2, 6000000, 1]) AS n")
    assert _rows(answer) == [{"n": 2, "v": "xx"}]
    assert json.loads(answer["body"])["truncated"] is True


def _highest_memory_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def test_a_third_question_at_once_is_told_to_try_again(
    passing_reader: ConnectionTarget, admin_db: Database
) -> None:
    with admin_db.transaction() as tx:
        tx.execute("ALTER ROLE tests_passing_reader CONNECTION LIMIT 1")
    with closing(Console(passing_reader)) as first, closing(Console(passing_reader)) as second:
        assert _value(first, "1") == 1
        body = _error(second.run("SELECT 1"))
    assert (body["error"], body["sqlstate"]) == ("busy, try again", "53300")


def test_the_reader_has_bounds_of_its_own(
    database_urls: DatabaseUrls, postgres: EmbeddedPostgres, admin_db: Database
) -> None:
    wanted = {**roles.READER_SETTINGS, **roles.READER_TEMP_FILES}
    reader = Database(target_from_url(database_urls.reader), application_name="tests")
    with closing(reader):
        for name in ("work_mem", "temp_file_limit", "max_parallel_workers_per_gather"):
            found = reader.read("SELECT current_setting(:name) AS value", name=name)
            assert found == [{"value": wanted[name]}]
    with admin_db.transaction() as tx:
        tx.execute("ALTER ROLE ops_pipeline_reader SET work_mem = '4GB'")
    local.ensure_roles(postgres.url)
    with admin_db.transaction() as tx:
        assert roles.reader_is_bounded(tx)


def test_a_sort_that_would_fill_the_disk_fails(console: Console) -> None:
    sql = "SELECT count(*) FROM (SELECT repeat('x', 500) || n FROM generate_series(1, 900000) AS n"
    assert _error(console.run(f"{sql} ORDER BY 1) AS sorted"))["sqlstate"] == "53400"


def test_a_process_of_the_server_ends_a_statement_that_wants_too_much_memory(
    reader_target: ConnectionTarget,
) -> None:
    wanted = ", ".join(f"repeat('x', 900000000 + {n})" for n in range(2))
    # Time enough to fill the memory, on a slow machine too.
    with closing(Console(reader_target, ConsoleLimits(statement_ms=120_000))) as console:
        assert _error(console.run(f"SELECT length(concat({wanted}))"))["sqlstate"] == "53200"
        assert _value(console, "1") == 1


def test_a_statement_over_its_time_is_cut_off(reader_target: ConnectionTarget) -> None:
    with closing(Console(reader_target, ConsoleLimits(statement_ms=100))) as console:
        assert _error(console.run("SELECT pg_sleep(30)"))["sqlstate"] == "57014"


@pytest.mark.parametrize(
    ("sql", "trace"),
    [
        ("SELECT set_config('work_mem', '1GB', false)", "SELECT current_setting('work_mem')"),
        ("PREPARE p AS SELECT 1", "SELECT name FROM pg_prepared_statements"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT name FROM pg_cursors"),
        ("SET default_transaction_read_only = off", "SHOW default_transaction_read_only"),
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


@pytest.fixture
def passing_reader(
    reader_target: ConnectionTarget, admin_db: Database
) -> Iterator[ConnectionTarget]:
    """A reader of a test's own, whose role may be dropped."""
    _make_role(admin_db)
    yield replace(reader_target, user="tests_passing_reader", password="passing")
    with admin_db.transaction() as tx:
        tx.script("DROP ROLE IF EXISTS tests_passing_reader")


def _make_role(admin: Database) -> None:
    with admin.transaction() as tx:
        tx.script(
            "CREATE ROLE tests_passing_reader LOGIN PASSWORD 'passing' IN ROLE ops_pipeline_reader"
        )


def test_a_warm_console_works_on_when_its_role_was_made_anew(
    passing_reader: ConnectionTarget, admin_db: Database
) -> None:
    with closing(Console(passing_reader)) as console:
        assert _value(console, "1") == 1
        with admin_db.transaction() as tx:
            tx.script("DROP ROLE tests_passing_reader")
        assert _error(console.run("SELECT 1"))["sqlstate"] != "25P02"
        _make_role(admin_db)
        assert _value(console, "current_user") == "tests_passing_reader"


@pytest.mark.parametrize("end", ["a time-out", "a cancel"])
def test_a_warm_console_works_on_after_an_error_in_its_look_at_the_login(
    reader_target: ConnectionTarget, postgres: EmbeddedPostgres, end: str
) -> None:
    url = local.url_for(postgres.url, database=reader_target.database)
    admin = Database(target_from_url(url), application_name="tests")
    with closing(Console(reader_target)) as console, closing(admin):
        pid = _value(console, "pg_backend_pid()")
        with admin.transaction() as tx:
            tx.script("LOCK TABLE pg_catalog.pg_namespace")
            if end == "a cancel":
                threading.Timer(0.5, _cancel, (postgres.url, pid)).start()
            assert _error(console.run("SELECT 1"))["error"]
        assert _value(console, "1") == 1


def _cancel(url: str, pid: int) -> None:
    with closing(Database(target_from_url(url), application_name="tests")) as database:
        database.read("SELECT pg_cancel_backend(:pid)", pid=pid)


@pytest.mark.parametrize("limit_ms", [0, 301, 60_000])
def test_a_console_without_its_time_limit_does_not_run(limit_ms: int) -> None:
    require_limit([[None, 300]], 300)
    with pytest.raises(NoTimeLimit, match=f"not in force: {limit_ms} ms"):
        require_limit([[None, limit_ms]], 300)


def test_a_database_out_of_reach_is_an_answer_without_its_address(
    reader_target: ConnectionTarget,
) -> None:
    body = _error(run(replace(reader_target, port=1), "SELECT 1"))
    assert body["sqlstate"] == "08006"
    assert reader_target.host not in body["error"]


def test_a_wrong_password_is_an_answer_without_it(reader_target: ConnectionTarget) -> None:
    body = _error(run(replace(reader_target, password="mistaken"), "SELECT 1"))
    assert body["sqlstate"] == "28P01"
    assert "mistaken" not in body["error"]
