"""Run rows and leases: once a tick, one at a time, fenced at commit."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db import runs
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.runs import FencedDatabase, Lease
from ops_pipeline.errors import LeaseLost

TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)


def take(db: Database, *, tick: datetime = TICK, now: datetime = TICK, owner: str = "a") -> object:
    return runs.take(db, stage="telemetry", tick=tick, scope="*", owner=owner, now=now, lease_s=60)


def lease(db: Database, *, tick: datetime = TICK, now: datetime = TICK) -> Lease:
    taken = take(db, tick=tick, now=now)
    assert isinstance(taken, Lease)
    return taken


def end(db: Database, held: Lease) -> None:
    with db.transaction() as tx:
        runs.succeed(tx, held, counts={"rows": 3}, now=TICK, duration_ms=1.5)


def test_a_tick_is_run_once(db: Database) -> None:
    end(db, lease(db))
    assert take(db) == "already_done"


def test_a_running_stage_is_busy_for_its_own_tick_and_for_the_next(db: Database) -> None:
    lease(db)
    assert take(db) == "busy"
    assert take(db, tick=TICK + timedelta(minutes=1)) == "busy"


def test_another_scope_runs_beside_it(db: Database) -> None:
    lease(db)
    other = runs.take(
        db, stage="telemetry", tick=TICK, scope="large", owner="a", now=TICK, lease_s=60
    )
    assert isinstance(other, Lease)


def test_a_lease_that_ran_out_is_taken_over_by_the_next_tick(db: Database) -> None:
    lease(db)
    later = TICK + timedelta(minutes=1)
    lease(db, tick=later, now=later)
    with db.transaction() as tx:
        rows = tx.rows("SELECT tick, status FROM pipeline_runs ORDER BY tick")
    assert [row["status"] for row in rows] == ["abandoned", "running"]


def test_the_same_tick_can_be_taken_again_after_its_lease_ran_out(db: Database) -> None:
    lease(db)
    again = lease(db, now=TICK + timedelta(seconds=61))
    assert again.attempt == 2


def test_a_failed_tick_can_be_run_again(db: Database) -> None:
    held = lease(db)
    with db.transaction() as tx:
        runs.fail(tx, held, error=ValueError("odd"), now=TICK, duration_ms=2)
    assert lease(db).attempt == 2


def test_an_owner_that_was_overtaken_saves_nothing(
    db: Database, database_urls: DatabaseUrls
) -> None:
    held = lease(db)
    with closing(Database(target_from_url(database_urls.writer), application_name="b")) as other:
        take(other, now=TICK + timedelta(seconds=61), owner="b")
    with pytest.raises(LeaseLost), FencedDatabase(db, held).transaction() as tx:
        tx.execute("UPDATE accounts SET active = false")
    with pytest.raises(LeaseLost):
        end(db, held)
    with db.transaction() as tx:
        assert tx.rows("SELECT account_name FROM accounts WHERE NOT active") == []


def test_the_end_keeps_counts_and_the_measured_time(db: Database) -> None:
    held = lease(db)
    end(db, held)
    with db.transaction() as tx:
        run = tx.one("SELECT status, counts FROM pipeline_runs")
        timing = tx.one("SELECT attempt, duration_ms FROM run_timings")
    assert run == {"status": "succeeded", "counts": {"rows": 3}}
    assert timing == {"attempt": 1, "duration_ms": 1.5}


def test_a_dead_owner_s_leases_are_given_up_at_once(db: Database) -> None:
    lease(db)
    with db.transaction() as tx:
        assert runs.abandon_owner(tx, owner="a", now=TICK) == 1
    assert lease(db).attempt == 2


def test_a_reading_statement_survives_the_loss_of_its_connection(
    db: Database, database_urls: DatabaseUrls
) -> None:
    (row,) = db.read("SELECT pg_backend_pid() AS pid")
    with closing(Database(target_from_url(database_urls.writer), application_name="b")) as other:
        other.read("SELECT pg_terminate_backend(:pid)", pid=row["pid"])
    (again,) = db.read("SELECT pg_backend_pid() AS pid")
    assert again != row
