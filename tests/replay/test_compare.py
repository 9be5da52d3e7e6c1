"""Two databases side by side: the same says identical, anything else is named row by row."""

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.comparison.databases import RowDifference, differences
from ops_local.comparison.measured import MEASURED
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.replay.conftest import Day

_RUN = """
INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at,
                           started_at, finished_at, counts)
VALUES ('00000000-0000-8000-8000-000000000001', 'telemetry', '2026-02-04 15:00Z', '*', 1,
        'succeeded', 'local', '2026-02-04 15:01Z', '2026-02-04 15:00Z', '2026-02-04 15:00Z',
        '{"stored": 33}')
"""
_TIMING = "INSERT INTO run_timings SELECT run_id, attempt, 12.5 FROM pipeline_runs"
_BAR = """
INSERT INTO lane_telemetry (ticker, ts, open, high, low, close, volume, data_feed, fetched_at)
VALUES ('AAPL', '2026-02-04 15:00Z', 10, 11, 9, 10.5, 100, 'iex', '2026-02-04 15:01Z')
"""


@pytest.fixture
def other_urls(
    admin_db: Database, template_urls: DatabaseUrls, database_urls: DatabaseUrls
) -> Iterator[DatabaseUrls]:
    """A second migrated database beside `database_urls`."""
    name = "test_compare_other"
    local.clone_database(admin_db, "template_migrated", name)
    yield template_urls.in_database(name)
    local.drop_database(admin_db, name)


def _write(urls: DatabaseUrls, *statements: str) -> None:
    with (
        closing(Database(target_from_url(urls.owner), application_name="tests")) as database,
        database.transaction() as tx,
    ):
        for statement in statements:
            tx.execute(statement)


def test_the_same_rows_are_identical(database_urls: DatabaseUrls, other_urls: DatabaseUrls) -> None:
    _write(database_urls, _RUN, _BAR)
    _write(other_urls, _BAR, _RUN)
    assert differences(database_urls, other_urls) == []


def test_a_changed_value_is_named_by_its_natural_key_and_column(
    database_urls: DatabaseUrls, other_urls: DatabaseUrls
) -> None:
    _write(database_urls, _BAR)
    _write(other_urls, _BAR, "UPDATE lane_telemetry SET close = 10.50, volume = 101")
    found, *others = differences(database_urls, other_urls)
    assert others == []
    assert (found.table, found.kind) == ("lane_telemetry", "differs")
    assert found.key == {"ticker": "AAPL", "ts": "2026-02-04T15:00:00+00:00"}
    # 10.5 and 10.50 are different rows: the replay wrote something else.
    assert found.columns == ("close", "volume")
    assert str(found) == (
        "lane_telemetry AAPL 2026-02-04T15:00:00+00:00: close 10.5 | 10.50, volume 100 | 101"
    )


def test_a_row_that_is_missing_says_where_it_stands(
    database_urls: DatabaseUrls, other_urls: DatabaseUrls
) -> None:
    _write(database_urls, _BAR)
    assert [found.kind for found in differences(database_urls, other_urls)] == ["only in A"]
    assert [found.kind for found in differences(other_urls, database_urls)] == ["only in B"]


def test_measured_times_are_left_out(database_urls: DatabaseUrls, other_urls: DatabaseUrls) -> None:
    _write(database_urls, _RUN, _TIMING)
    _write(other_urls, _RUN, "UPDATE schema_migrations SET applied_at = now(), execution_ms = 1")
    assert differences(database_urls, other_urls) == []


def test_attempts_and_leases_count_unless_one_was_killed(
    database_urls: DatabaseUrls, other_urls: DatabaseUrls
) -> None:
    _write(database_urls, _RUN)
    _write(other_urls, _RUN, "UPDATE pipeline_runs SET attempt = 2")
    assert [found.columns for found in differences(database_urls, other_urls)] == [("attempt",)]
    assert differences(database_urls, other_urls, after_kill=True) == []


def test_a_table_that_only_one_has_or_that_is_built_otherwise_is_a_difference(
    database_urls: DatabaseUrls, other_urls: DatabaseUrls
) -> None:
    grant = "GRANT SELECT ON notes TO ops_pipeline_reader"
    _write(database_urls, "CREATE TABLE notes (text text)", grant)
    assert differences(database_urls, other_urls) == [
        RowDifference("notes", "only in A", {}, ("text",), None, None)
    ]
    _write(other_urls, "CREATE TABLE notes (text text, at date)", grant)
    assert differences(database_urls, other_urls) == [
        RowDifference("notes", "differs", {}, ("at",), None, None)
    ]


def test_a_row_without_a_key_that_stands_there_twice_is_a_difference(
    database_urls: DatabaseUrls, other_urls: DatabaseUrls
) -> None:
    made = ("CREATE TABLE notes (text text)", "GRANT SELECT ON notes TO ops_pipeline_reader")
    once = "INSERT INTO notes VALUES ('here')"
    _write(database_urls, *made, once)
    _write(other_urls, *made, once, once)
    assert len(differences(database_urls, other_urls)) == 1


def test_every_measured_column_exists_and_has_its_reason(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        for measured in MEASURED:
            rows = tx.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_name = :table",
                table=measured.table,
            )
            assert {*measured.columns} <= {row["column_name"] for row in rows}, measured.table
            assert rows, measured.table
            assert measured.reason.endswith(".")


def _ops(*words: str, **variables: str) -> int:
    return main(["compare", *words], variables)


def test_a_day_compared_with_itself_is_identical(
    generated_morning: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(generated_morning.urls.reader, generated_morning.urls.reader) == 0
    assert capsys.readouterr().out == "identical\n"


def test_days_that_differ_end_with_1_and_the_trades_of_both(
    generated_morning: Day, database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(generated_morning.urls.reader, database_urls.reader, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    trades = generated_morning.value("SELECT count(*) FROM active_positions")
    assert trades == len(told["trades"]) > 0
    assert all(trade["A"] and trade["B"] is None for trade in told["trades"])
    earned = generated_morning.value("SELECT sum(pnl_dollars) FROM position_history")
    assert sum(Decimal(row["P&L B - A"]) for row in told["pnl"]) == -earned
    asked = generated_morning.value("SELECT count(*) FROM dispatch_recommendations")
    assert len(told["answers"]) == asked
    counted = {row["table"]: row["only in A"] for row in told["tables"]}
    assert counted["fills"] == generated_morning.value("SELECT count(*) FROM fills")


def test_the_tables_of_a_comparison_fit_80_columns(
    generated_morning: Day,
    database_urls: DatabaseUrls,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert _ops(generated_morning.urls.reader, database_urls.reader) == 1
    tables = capsys.readouterr().out.partition("\nThe first of ")[0]
    assert max(map(len, tables.splitlines())) <= 80
    for title in ("P&L by account", "Trades that differ", "Rows that differ"):
        assert title in tables


def test_a_replay_that_never_ran_ends_with_1_and_a_missing_side_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops("yesterday", "today", OPS_HOME=str(tmp_path)) == 1
    assert "no replay is named 'yesterday'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        _ops("yesterday", OPS_HOME=str(tmp_path))
    assert ended.value.code == 2
