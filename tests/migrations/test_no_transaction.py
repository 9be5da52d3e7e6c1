"""Files that no transaction holds: found out, run by steps, taken up where they were cut off."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.errors import MigrationFailed, MigrationRefused
from tests.migrations.folders import Write, applied_in, objects_in, owner_of, partial_runs_in

ALONE = "-- migrate: no-transaction\n"
TWICE = "INSERT INTO a VALUES (7), (7)"


def _index(database: Database, name: str) -> bool | None:
    """Whether the index is valid; None where there is none."""
    with database.transaction() as tx:
        row = tx.one(
            "SELECT indisvalid AS v FROM pg_index WHERE indexrelid = to_regclass(:name)", name=name
        )
    return None if row is None else bool(row["v"])


def test_a_no_transaction_file_runs_statement_by_statement(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make="CREATE TABLE a (id int); CREATE TYPE mood AS ENUM ('low')",
        index=f"{ALONE}CREATE INDEX CONCURRENTLY a_id ON a (id); -- one; by one\n"
        "ALTER TYPE mood ADD VALUE 'high';\n"
        "ALTER TABLE a ADD m mood DEFAULT 'high';",
    )
    assert len(Runner(target_db, folder).up()) == 2
    assert partial_runs_in(target_db) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);", "CREATE INDEX"),
        ("SELECT 1;\ncreate unique /* yes */ index concurrently on b (id)", "CREATE UNIQUE INDEX"),
        ("SELECT 1;\nDROP INDEX CONCURRENTLY b_id", "DROP INDEX"),
        ("SELECT 1;\nREINDEX (VERBOSE) TABLE CONCURRENTLY b", "REINDEX"),
        ("SELECT 1;\nVACUUM (ANALYZE) b", "VACUUM"),
        ("SELECT 1;\nvacuum MyBooks", "VACUUM MyBooks cannot"),
        ("SELECT 1;\ndrop database Überrest", "DROP DATABASE Überrest cannot"),
        ("SELECT 1;\nALTER SYSTEM SET work_mem = '8MB'", "ALTER SYSTEM"),
        ("SELECT 1;\nCREATE DATABASE other", "CREATE DATABASE"),
        ("SELECT 1;\nALTER TABLE b DETACH PARTITION c CONCURRENTLY", "ALTER TABLE"),
    ],
)
def test_a_file_that_needs_autocommit_is_refused_with_the_line_to_add(
    target_db: Database, write: Write, text: str, what: str
) -> None:
    folder = write(first="CREATE TABLE first (id int)", odd=text)
    with pytest.raises(MigrationRefused, match=rf"0002_odd\.sql line 2: {what}.*{ALONE.strip()}"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == {}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TYPE m AS ENUM ('a');",
        "ALTER TYPE mood ADD VALUE 'high';\nALTER TABLE a ADD m mood DEFAULT 'high';",
        "CREATE TABLE b (id int);\nDO $$ BEGIN COMMIT; END $$;",
    ],
)
def test_what_only_postgres_can_know_to_need_autocommit_is_found_out_and_undone(
    target_db: Database, write: Write, text: str
) -> None:
    folder = write(make="CREATE TABLE a (id int); CREATE TYPE mood AS ENUM ('low')")
    Runner(target_db, folder).up()
    before = objects_in(target_db)
    write(2, odd=text)
    if "CREATE TYPE" in text:
        assert len(Runner(target_db, folder).up()) == 1
        return
    with pytest.raises(MigrationRefused, match=r"0002_odd\.sql line 2: .*as before.*no-transactio"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == before
    [applied] = Runner(target_db, folder, auto_no_transaction=True).up()
    assert applied.note == "auto-no-transaction"


def test_auto_no_transaction_runs_such_a_file_and_records_that_it_did(
    target_db: Database, write: Write
) -> None:
    folder = write(make="CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);")
    Runner(target_db, folder, auto_no_transaction=True).up()
    assert _index(target_db, "a_id") is True
    assert [row.note for row in Runner(target_db, folder).status().applied] == [
        "auto-no-transaction"
    ]


def test_a_file_that_fails_half_way_is_taken_up_where_it_stood(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make="CREATE TABLE a (id int)",
        index=f"{ALONE}SET work_mem = '3MB';\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n"
        "INSERT INTO a VALUES (1);\nSELECT nothing;\nSELECT 2",
    )
    with pytest.raises(MigrationFailed, match=r"line 5: .*3 of its 5 statements took effect"):
        Runner(target_db, folder).up()
    assert applied_in(target_db) == ["0001_make"]
    assert Runner(target_db, folder).status().half_done == ("0002_index: 3 statements took effect",)
    assert Runner(target_db, folder).verify() == [
        "0002_index: 3 statements took effect, the rest did not"
    ]
    write(
        2,
        index=f"{ALONE}SET work_mem = '3MB';\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n"
        "INSERT INTO a VALUES (1);\n"
        "INSERT INTO a SELECT 3 WHERE current_setting('work_mem') = '3MB'",
    )
    assert [row.version for row in Runner(target_db, folder).up()] == ["0002_index"]
    with target_db.transaction() as tx:
        assert [row["id"] for row in tx.rows("SELECT id FROM a ORDER BY id")] == [1, 3]
    assert partial_runs_in(target_db) == {}


def test_what_took_effect_may_not_be_edited_before_the_rest_runs(
    target_db: Database, write: Write
) -> None:
    folder = write(odd=f"{ALONE}CREATE TABLE a (id int);\nSELECT nothing")
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    write(odd=f"{ALONE}CREATE TABLE a (id bigint);\nSELECT 1")
    with pytest.raises(MigrationRefused, match=r"0001_odd\.sql: its first 1 statements took"):
        Runner(target_db, folder).up()


def test_a_half_done_file_that_lost_its_directive_is_still_taken_up(
    target_db: Database, write: Write
) -> None:
    folder = write(odd=f"{ALONE}CREATE TABLE a (id int);\nSELECT nothing")
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    write(odd="CREATE TABLE a (id int);\nSELECT 1")
    assert len(Runner(target_db, folder).up()) == 1


def test_a_half_done_file_that_is_missing_is_refused_by_name(
    target_db: Database, write: Write
) -> None:
    folder = write(odd=f"{ALONE}CREATE TABLE a (id int);\nSELECT nothing", next="SELECT 1")
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    (folder / "0001_odd.sql").unlink()
    with pytest.raises(MigrationRefused, match=r"0001_odd\.sql took effect in part"):
        Runner(target_db, folder).up()


def test_a_file_whose_first_statement_fails_leaves_nothing(
    target_db: Database, write: Write
) -> None:
    folder = write(make=f"CREATE TABLE a (id int); {TWICE}")
    Runner(target_db, folder).up()
    before = objects_in(target_db)
    write(2, bad=f"{ALONE}CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id); SELECT 1")
    with pytest.raises(MigrationFailed, match=r"could not create unique index.*as before this"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == before
    assert partial_runs_in(target_db) == {}


def test_a_failed_index_is_dropped_and_built_once_the_rows_allow_it(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make=f"CREATE TABLE a (id int); {TWICE}",
        bad=f"{ALONE}SELECT 1; CREATE UNIQUE INDEX CONCURRENTLY ON a (id)",
    )
    with pytest.raises(MigrationFailed, match="1 of its 2 statements took effect"):
        Runner(target_db, folder).up()
    assert _index(target_db, "a_id_idx") is None
    with target_db.transaction() as tx:
        tx.execute("DELETE FROM a")
    Runner(target_db, folder).up()
    assert _index(target_db, "a_id_idx") is True


def test_of_a_procedure_that_commits_and_then_fails_nobody_says_that_nothing_changed(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make="CREATE TABLE a (id int); CREATE PROCEDURE p() LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO a VALUES (1); COMMIT; RAISE EXCEPTION 'late'; END $$",
        call=f"{ALONE}CALL p();",
    )
    with pytest.raises(MigrationFailed, match=r"late.*; what it had committed itself stays"):
        Runner(target_db, folder).up()


def test_an_invalid_index_of_an_interrupted_run_is_dropped_and_rebuilt(
    target_db: Database, write: Write
) -> None:
    folder = write(make='CREATE TABLE "A b" (id int); INSERT INTO "A b" VALUES (7), (7)')
    Runner(target_db, folder).up()
    with pytest.raises(DatabaseError, match="could not create unique index"):
        target_db.session().execute_simple('CREATE UNIQUE INDEX CONCURRENTLY "I d" ON "A b" (id)')
    assert _index(target_db, '"I d"') is False
    with target_db.transaction() as tx:
        tx.execute('DELETE FROM "A b"')
    write(2, index=f'{ALONE}CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I d" ON "A b" (id)')
    Runner(target_db, folder).up()
    assert _index(target_db, '"I d"') is True


def test_a_session_that_dies_while_an_index_is_built_is_settled_by_the_next_run(
    target_db: Database, empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    Runner(target_db, folder).up()
    write(2, index=f"{ALONE}CREATE INDEX CONCURRENTLY a_id ON a (id);\nSELECT 1")
    failed = _cut_off(target_db, empty_urls, admin_db, folder)
    assert "0002_index.sql line 2" in failed
    with closing(owner_of(empty_urls)) as again:
        assert _index(again, "a_id") is False
        assert [row.version for row in Runner(again, folder).up()] == ["0002_index"]
        assert _index(again, "a_id") is True
        assert Runner(again, folder).verify() == []


def test_a_partition_detached_by_half_is_detached_by_the_next_run(
    target_db: Database, empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    folder = write(
        make="CREATE TABLE a (id int) PARTITION BY LIST (id);"
        "CREATE TABLE a_1 PARTITION OF a FOR VALUES IN (1)"
    )
    Runner(target_db, folder).up()
    write(2, part=f"{ALONE}ALTER TABLE a DETACH PARTITION a_1 CONCURRENTLY;\nSELECT 1")
    _cut_off(target_db, empty_urls, admin_db, folder)
    with closing(owner_of(empty_urls)) as again, again.transaction() as tx:
        assert tx.one("SELECT inhdetachpending AS half FROM pg_inherits") == {"half": True}
    with closing(owner_of(empty_urls)) as again:
        assert [row.version for row in Runner(again, folder).up()] == ["0002_part"]
        assert Runner(again, folder).verify() == []


def _cut_off(database: Database, urls: DatabaseUrls, admin_db: Database, folder: Path) -> str:
    """Kill the session of a run whose CONCURRENTLY waits for a transaction of ours to end."""
    with closing(owner_of(urls)) as other, other.transaction() as tx:
        tx.execute("INSERT INTO a VALUES (1)")
        failed: list[Exception] = []
        runner = threading.Thread(target=_run_into, args=(database, folder, failed))
        runner.start()
        _kill_the_waiter(admin_db)
        runner.join()
    return str(failed[0])


def _run_into(database: Database, folder: Path, failed: list[Exception]) -> None:
    try:
        Runner(database, folder).up()
    except MigrationFailed as error:
        failed.append(error)


def _kill_the_waiter(admin_db: Database) -> None:
    sql = (
        "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "
        "WHERE query LIKE '% CONCURRENTLY%' AND wait_event_type = 'Lock'"
    )
    for _ in range(500):
        with admin_db.transaction() as tx:
            if tx.rows(sql):
                return
            tx.execute("SELECT pg_sleep(0.01)")
    pytest.fail("nobody waits")


def test_a_name_that_is_taken_is_postgres_s_to_refuse(target_db: Database, write: Write) -> None:
    folder = write(
        make="CREATE TABLE a (id int); CREATE INDEX a_id ON a (id)",
        index=f"{ALONE}CREATE INDEX CONCURRENTLY a_id ON a (id)",
    )
    with pytest.raises(MigrationFailed, match='relation "a_id" already exists'):
        Runner(target_db, folder).up()
    assert (partial_runs_in(target_db), _index(target_db, "a_id")) == ({}, True)
