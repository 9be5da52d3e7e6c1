"""The door to Postgres against a real server: what commits, what rolls back, what reconnects."""
# ruff: noqa: PT012 - what must raise here is a whole unit of work
# ruff: noqa: SIM117 - the inner block is the unit of work, the outer ones the expectation

import errno
import socket
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_pipeline.db import runs
from ops_pipeline.db.driver.connection import (
    ConnectionTarget,
    Database,
    SessionLimits,
    Transaction,
    target_from_url,
)
from ops_pipeline.errors import (
    CapExceeded,
    CommitUnknown,
    ConstraintViolated,
    DatabaseUnavailable,
    LeaseLost,
    SettingsInvalid,
)

_MAKE_NOTES = "CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL)"
_ADD = "INSERT INTO notes VALUES (:id, :body)"


@pytest.fixture
def notes(owner_db: Database) -> Database:
    with owner_db.transaction() as tx:
        tx.execute(_MAKE_NOTES)
    return owner_db


def _count(database: Database) -> int:
    with database.transaction() as tx:
        return len(tx.rows("SELECT id FROM notes"))


def _kill_session(database: Database, admin: Database) -> None:
    with database.transaction() as tx:
        pid = _pid(tx)
    _end_session(pid, admin)


def _pid(tx: Transaction) -> int:
    found = tx.one("SELECT pg_backend_pid() AS pid")
    assert found is not None
    return int(found["pid"])


def _end_session(pid: int, admin: Database) -> None:
    with admin.transaction() as tx:
        tx.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)


def test_a_unit_of_work_commits_at_its_end(notes: Database) -> None:
    with notes.transaction() as tx:
        assert tx.execute(_ADD, id=1, body="a") == 1
    assert _count(notes) == 1


def test_an_error_in_a_unit_of_work_leaves_nothing(notes: Database) -> None:
    with pytest.raises(KeyError), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        raise KeyError
    assert _count(notes) == 0


def test_units_of_work_do_not_nest(notes: Database) -> None:
    nested = notes.transaction()
    with notes.transaction(), pytest.raises(RuntimeError, match="do not nest"), nested:
        pass


def test_a_swallowed_error_is_not_taken_for_a_commit(notes: Database) -> None:
    with pytest.raises(RuntimeError, match="swallowed"), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        with suppress(DatabaseError):
            tx.execute("SELECT no_such_column")
    assert _count(notes) == 0


def test_a_refused_row_names_its_constraint(notes: Database) -> None:
    with pytest.raises(ConstraintViolated) as caught, notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        tx.execute(_ADD, id=1, body="b")
    assert (caught.value.constraint, caught.value.sqlstate) == ("notes_pkey", "23505")


def test_the_cap_of_the_order_road_has_its_own_error(notes: Database) -> None:
    with pytest.raises(CapExceeded, match="over the cap"), notes.transaction() as tx:
        tx.script("DO $$ BEGIN RAISE 'over the cap' USING ERRCODE = 'OP001'; END $$")


def test_a_connection_that_died_between_units_is_replaced(
    notes: Database, admin_db: Database
) -> None:
    _kill_session(notes, admin_db)
    assert _count(notes) == 0


def test_a_connection_that_dies_inside_a_unit_is_not_replaced(
    notes: Database, admin_db: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        _end_session(_pid(tx), admin_db)
        tx.execute(_ADD, id=2, body="b")
    assert _count(notes) == 0


def test_a_statement_over_its_time_is_cut_off(database_urls: DatabaseUrls) -> None:
    target = target_from_url(database_urls.writer)
    database = Database(target, application_name="tests", limits=SessionLimits(statement_ms=50))
    with closing(database), pytest.raises(DatabaseUnavailable, match="57014"):
        with database.transaction() as tx:
            tx.rows("SELECT pg_sleep(5)")


def test_a_read_only_database_refuses_to_write(
    notes: Database, database_urls: DatabaseUrls
) -> None:
    target = target_from_url(database_urls.owner)
    database = Database(target, application_name="tests", read_only=True)
    with closing(database), pytest.raises(DatabaseError, match="read-only"):
        with database.transaction() as tx:
            tx.execute(_ADD, id=1, body="a")
    assert _count(notes) == 0


def test_rows_come_by_copy_in_the_same_unit(notes: Database) -> None:
    lines = [f"{number}\tnote {number}\n".encode() for number in range(3)]
    with notes.transaction() as tx:
        assert tx.copy_in("COPY notes FROM STDIN", lines) == 3
    assert _count(notes) == 3


def test_a_server_out_of_reach_is_database_unavailable(database_urls: DatabaseUrls) -> None:
    target = replace(target_from_url(database_urls.writer), port=1)
    database = Database(target, application_name="tests")
    with closing(database), pytest.raises(DatabaseUnavailable), database.transaction():
        pass


def test_times_are_read_in_utc(db: Database) -> None:
    with db.transaction() as tx:
        found = tx.one("SELECT CAST('2026-02-04 09:31-05' AS timestamptz) AS ts")
    assert found is not None
    assert found["ts"].isoformat() == "2026-02-04T14:31:00+00:00"


@pytest.mark.parametrize("url", ["", "host/db", "postgresql://host/db", "postgresql://me@host"])
def test_an_odd_url_is_refused_by_the_setting_s_name_alone(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="DATABASE_READER_URL"):
        target_from_url(url, name="DATABASE_READER_URL")


def test_a_target_does_not_show_its_password() -> None:
    assert "hush" not in repr(target_from_url("postgresql://me:hush@host/db"))


def test_a_database_that_is_not_there_is_named(database_urls: DatabaseUrls) -> None:
    target = replace(target_from_url(database_urls.writer), database="nowhere")
    with pytest.raises(SettingsInvalid, match='"nowhere" does not exist'):
        Database(target, application_name="tests").read("SELECT 1")


def test_a_wrong_password_is_said_without_the_password(database_urls: DatabaseUrls) -> None:
    target = replace(target_from_url(database_urls.writer), password="hunter2")
    with pytest.raises(SettingsInvalid, match="password authentication failed") as raised:
        Database(target, application_name="tests").read("SELECT 1")
    assert "hunter2" not in str(raised.value)


def test_a_known_statement_is_run_anew_when_its_connection_died_between_units(
    notes: Database, admin_db: Database
) -> None:
    assert _count(notes) == 0
    _kill_session(notes, admin_db)
    with notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
    _kill_session(notes, admin_db)
    with notes.transaction() as tx:
        tx.execute(_ADD, id=2, body="b")
    assert _count(notes) == 2


def test_a_statement_never_takes_effect_without_its_begin(database_urls: DatabaseUrls) -> None:
    session = Database(target_from_url(database_urls.owner), application_name="tests").session()
    with closing(session):
        session.execute_simple(_MAKE_NOTES)
        with pytest.raises(DatabaseError, match="42P01"):
            dropped = ("DROP TABLE nowhere", ())
            session.execute("INSERT INTO notes VALUES (1, 'a')", (), before=[dropped])
        assert session.execute_simple("SELECT count(*) FROM notes").rows == [[0]]


def test_what_was_sent_runs_before_the_next_answer_and_commits_with_the_rest(
    notes: Database,
) -> None:
    with notes.transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
        tx.enqueue(_ADD, id=2, body="b")
        assert tx.one("SELECT count(*) AS n FROM notes") == {"n": 2}
        assert tx.execute("UPDATE notes SET body = 'c' WHERE id = 1") == 1
        tx.enqueue(_ADD, id=3, body="d")
    assert _count(notes) == 3


def test_a_unit_that_only_sent_commits_too(notes: Database) -> None:
    with notes.transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
    assert _count(notes) == 1


def test_what_was_sent_and_failed_takes_the_whole_unit_along(notes: Database) -> None:
    for then in ("SELECT 1 AS one", None):
        with pytest.raises(ConstraintViolated, match="notes"), notes.transaction() as tx:
            tx.enqueue(_ADD, id=1, body="a")
            tx.enqueue(_ADD, id=1, body="twice")
            tx.enqueue(_ADD, id=2, body="never")
            if then:
                tx.rows(then)
        assert _count(notes) == 0


def test_answers_of_statements_sent_together_are_not_mixed_up(notes: Database) -> None:
    with notes.transaction() as tx:
        tx.enqueue("SELECT 7 AS seven")
        tx.enqueue(_ADD, id=1, body="a")
        assert tx.rows("SELECT id, body FROM notes") == [{"id": 1, "body": "a"}]
        tx.enqueue("SELECT 8 AS eight")
        assert tx.execute("UPDATE notes SET body = 'b'") == 1


def test_what_was_sent_survives_a_session_lost_before_it(
    notes: Database, admin_db: Database
) -> None:
    notes.read("SELECT 1")
    _kill_session(notes, admin_db)
    with notes.transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
        tx.enqueue(_ADD, id=2, body="b")
    assert _count(notes) == 2


def test_a_session_lost_while_it_commits_what_was_sent_is_not_run_again(
    notes: Database, admin_db: Database
) -> None:
    _parse(notes)
    with pytest.raises(CommitUnknown), notes.transaction() as tx:
        pid = _pid(tx)
        tx.enqueue(_ADD, id=2, body="b")
        _end_session(pid, admin_db)
    assert _count(notes) == 0


def test_a_dry_run_runs_what_was_sent_and_keeps_nothing(notes: Database) -> None:
    with runs.DryDatabase(notes).transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
    assert _count(notes) == 0
    with pytest.raises(ConstraintViolated), runs.DryDatabase(notes).transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
        tx.enqueue(_ADD, id=1, body="twice")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
@example(["", "NULL", "null", '"', "\\", "a,b", "{}", " x ", "\n", '\\"'])
def test_any_texts_arrive_in_an_array_as_they_are(notes: Database, texts: list[str]) -> None:
    (row,) = notes.read("SELECT CAST(:texts AS text[]) AS texts", texts=texts)
    assert row["texts"] == texts


_HELD = "SELECT 1 / count(*) FROM notes WHERE id = :id"


def test_a_unit_commits_with_the_statement_that_may_refuse_it(notes: Database) -> None:
    with notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        tx.commit_unless(LeaseLost("gone"), _HELD, id=1)
    assert _count(notes) == 1


def test_a_unit_that_is_refused_at_its_commit_leaves_nothing(notes: Database) -> None:
    with pytest.raises(LeaseLost, match="gone"), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        tx.commit_unless(LeaseLost("gone"), _HELD, id=2)
    assert _count(notes) == 0


def test_a_connection_lost_at_a_guarded_commit_leaves_the_outcome_unknown(
    notes: Database, admin_db: Database
) -> None:
    _parse(notes)
    with pytest.raises(CommitUnknown), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        _end_session(_pid(tx), admin_db)
        tx.commit_unless(LeaseLost("gone"), _HELD, id=1)
    assert _count(notes) == 0


def test_a_session_lost_before_its_last_statements_were_parsed_surely_committed_nothing(
    notes: Database, admin_db: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        _end_session(_pid(tx), admin_db)
        tx.commit_unless(LeaseLost("gone"), _HELD, id=1)
    assert _count(notes) == 0


def _parse(notes: Database) -> None:
    """Let the session know the statements that end a unit; nothing is kept."""
    with suppress(LeaseLost), notes.transaction() as tx:
        tx.enqueue(_ADD, id=1, body="a")
        tx.commit_unless(LeaseLost("gone"), _HELD, id=2)


def test_a_password_that_was_changed_is_read_again_once(database_urls: DatabaseUrls) -> None:
    right = target_from_url(database_urls.writer)
    asked: list[int] = []

    def renew() -> ConnectionTarget:
        asked.append(1)
        return right

    stale = replace(right, password="stale")
    with closing(Database(stale, application_name="test", renew=renew)) as database:
        with database.transaction() as tx:
            assert tx.one("SELECT 1 AS one") == {"one": 1}
    assert asked == [1]


def test_a_password_that_stays_wrong_is_refused(database_urls: DatabaseUrls) -> None:
    stale = replace(target_from_url(database_urls.writer), password="stale")
    with closing(Database(stale, application_name="test", renew=lambda: stale)) as database:
        with pytest.raises(SettingsInvalid, match="password"), database.transaction():
            pass


def test_a_server_that_is_gone_is_noticed_within_a_minute(db: Database) -> None:
    with db.transaction():
        connection = db.session()._usock
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    first, between, most = (
        connection.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert first + between * most <= 60


def test_a_division_by_zero_in_what_was_sent_is_not_taken_for_a_lost_lease(
    notes: Database,
) -> None:
    with pytest.raises(DatabaseError, match="22012"), notes.transaction() as tx:
        tx.execute(_ADD, id=1, body="a")
        tx.enqueue("SELECT 1 / (id - 1) FROM notes")
        tx.commit_unless(LeaseLost("gone"), _HELD, id=1)
    assert _count(notes) == 0


def test_an_answer_that_cannot_be_read_to_its_end_ends_the_session(
    database_urls: DatabaseUrls,
) -> None:
    database = Database(target_from_url(database_urls.owner), application_name="tests")

    def unreadable(text: str) -> object:
        raise OverflowError(text)

    with closing(database):
        database.session().register_in_adapter(23, unreadable)
        with pytest.raises(OverflowError):
            database.read("SELECT n FROM generate_series(1, 9) AS n")
        (row,) = database.read("SELECT n FROM generate_series(3, 3) AS n")
        assert row["n"] == 3


def test_an_error_of_a_file_inside_a_unit_of_work_is_not_taken_for_a_lost_connection(
    db: Database, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError), db.transaction() as tx:
        tx.execute("UPDATE accounts SET operator_halt = 'x'")
        (tmp_path / "none").read_text()
    assert [row["operator_halt"] for row in db.read("SELECT operator_halt FROM accounts")] == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), BrokenPipeError(), EOFError()]
)
def test_what_a_file_or_a_pipe_says_is_not_taken_for_a_lost_connection(
    db: Database, error: Exception
) -> None:
    """Neither has a file's name: a log on a full disk, a terminal that was closed."""
    with pytest.raises(type(error)), db.transaction() as tx:
        tx.rows("SELECT 1 AS one")
        raise error
    assert db.read("SELECT 1 AS one") == [{"one": 1}]
