"""The migration runner on real databases: it finishes a file or leaves no trace of it."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.files import read_folder
from ops_pipeline.db.migrations.plan import plan
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.db.migrations.session import LIMITS, LOCK_WAIT_S, STATEMENT_S, alone
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    MigrationFailed,
    MigrationRefused,
    OpsError,
)
from tests.migrations.folders import (
    MIGRATIONS,
    Write,
    applied_in,
    objects_in,
    owner_of,
    tables_in,
)


def _wait_for_the_lock(database: Database) -> None:
    for _ in range(200):
        with database.transaction() as tx:
            if tx.rows("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"):
                return
            tx.execute("SELECT pg_sleep(0.01)")
    pytest.fail("no run took the lock")


def test_files_run_in_the_order_of_their_numbers_and_leave_their_rows(
    target_db: Database, write: Write
) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    (folder / "0010_last.sql").write_text("ALTER TABLE a ADD y int")
    (folder / "0002_next.sql").write_text("ALTER TABLE a ADD x int")
    (folder / "README.md").write_text("not a migration")
    applied = Runner(target_db, folder).up()
    assert [row.version for row in applied] == ["0001_make", "0002_next", "0010_last"]
    status = Runner(target_db, folder).status()
    assert [row.version for row in status.applied] == ["0001_make", "0002_next", "0010_last"]
    assert (status.pending, status.problems) == ((), ())
    assert all(row.applied_at and row.execution_ms >= 0 for row in status.applied)


def test_a_second_run_does_nothing(target_db: Database, write: Write) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    Runner(target_db, folder).up()
    assert Runner(target_db, folder).up() == []


def test_status_and_dry_run_change_nothing(target_db: Database, write: Write) -> None:
    folder = write(make="CREATE TABLE a (id int); CREATE TABLE b (id int)")
    runner = Runner(target_db, folder)
    assert runner.status().pending == ("0001_make",)
    assert [len(plan.statements) for plan in runner.dry_run()] == [2]
    assert objects_in(target_db) == {}


def test_a_failing_file_leaves_the_database_as_it_was_and_says_where(
    target_db: Database, write: Write
) -> None:
    folder = write(good="CREATE TABLE a (id int)")
    Runner(target_db, folder).up()
    before = objects_in(target_db)
    write(2, bad="CREATE TABLE b (id int);\n\nALTER TABLE a\n  ADD n int REFERENCES missing (id);")
    with pytest.raises(MigrationFailed, match=r"0002_bad\.sql line 3: .*missing.*42P01.*as before"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == before
    assert applied_in(target_db) == ["0001_good"]


def test_the_position_of_an_error_is_a_line_of_the_file(target_db: Database, write: Write) -> None:
    folder = write(bad="-- a comment\nSELECT 1;\nSELECT\n  1,\n  no_such;\n")
    with pytest.raises(MigrationFailed, match=r"line 5: column \"no_such\""):
        Runner(target_db, folder).up()


def test_postgres_s_hint_is_passed_on(target_db: Database, write: Write) -> None:
    folder = write(bad="SELECT no_such_function(1)")
    with pytest.raises(MigrationFailed, match="Hint: No function matches"):
        Runner(target_db, folder).up()


def test_files_before_the_failing_one_stayapplied_in(target_db: Database, write: Write) -> None:
    folder = write(good="CREATE TABLE a (id int)", bad="SELECT 1/0")
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    assert applied_in(target_db) == ["0001_good"]
    (folder / "0002_bad.sql").write_text("SELECT 1")
    assert [row.version for row in Runner(target_db, folder).up()] == ["0002_bad"]


def test_a_broken_deferred_constraint_is_the_file_s_failure(
    target_db: Database, write: Write
) -> None:
    folder = write(
        bad="CREATE TABLE a (id int PRIMARY KEY);"
        "CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO b VALUES (7)"
    )
    with pytest.raises(MigrationFailed, match=r"0001_bad\.sql at its end: .*foreign key"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == {}


def test_what_a_file_sets_for_itself_ends_with_it(target_db: Database, write: Write) -> None:
    folder = write(
        dumped="SELECT pg_catalog.set_config('search_path', '', false);"
        "CREATE TABLE public.a (id int); SET statement_timeout = 1",
        plain="ALTER TABLE a ADD x int; SELECT pg_sleep(0.01)",
    )
    assert len(Runner(target_db, folder).up()) == 2


def test_an_edited_file_is_refused_by_name(target_db: Database, write: Write) -> None:
    folder = write(make="CREATE TABLE a (id int)", more="CREATE TABLE b (id int)")
    Runner(target_db, folder).up()
    write(make="CREATE TABLE a (id bigint)")
    with pytest.raises(MigrationRefused, match=r"0001_make\.sql was edited"):
        Runner(target_db, folder).up()
    assert Runner(target_db, folder).verify()[0].startswith("0001_make.sql was edited")


def test_line_ends_of_another_system_are_no_edit(target_db: Database, write: Write) -> None:
    folder = write(make="CREATE TABLE a\n(id int)\n")
    Runner(target_db, folder).up()
    (folder / "0001_make.sql").write_bytes(b"CREATE TABLE a\r\n(id int)\r\n")
    assert Runner(target_db, folder).up() == []


def test_a_missing_file_is_refused_by_name(target_db: Database, write: Write) -> None:
    folder = write(make="SELECT 1", more="SELECT 2", last="SELECT 3")
    Runner(target_db, folder).up()
    (folder / "0002_more.sql").unlink()
    with pytest.raises(MigrationRefused, match=r"0002_more\.sql is applied, but .*missing"):
        Runner(target_db, folder).up()


def test_a_database_ahead_of_the_folder_is_accepted(target_db: Database, write: Write) -> None:
    folder = write(make="SELECT 1", more="SELECT 2")
    Runner(target_db, folder).up()
    (folder / "0002_more.sql").unlink()
    assert Runner(target_db, folder).up() == []
    assert Runner(target_db, folder).verify() == []


def test_a_file_that_comes_too_late_is_refused_by_name(target_db: Database, write: Write) -> None:
    folder = write(2, more="SELECT 2")
    Runner(target_db, folder).up()
    write(1, late="SELECT 1")
    with pytest.raises(MigrationRefused, match=r"0001_late\.sql comes too late"):
        Runner(target_db, folder).up()


def test_two_files_with_one_number_are_refused_by_name(target_db: Database, write: Write) -> None:
    folder = write(make="SELECT 1")
    (folder / "00001_again.sql").write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match=r"00001_again\.sql, 0001_make\.sql"):
        Runner(target_db, folder).up()


@pytest.mark.parametrize("name", ["make.sql", "001_make.sql", "0001-make.sql", "0001_make.SQL"])
def test_a_name_out_of_form_is_refused_not_skipped(
    target_db: Database, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match=name.replace(".", r"\.")):
        Runner(target_db, tmp_path).up()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SELECT '\xff'", "not UTF-8 at byte 8"),
        (b"SELECT '\0'", "NUL"),
        (b"SELECT 1;\nSELECT 'open", "line 2: a quote never ends"),
        (b"-- migrate: no-transactions\nSELECT 1", "unknown directive 'no-transactions'"),
        (b"SELECT 1;\nCOMMIT;\nSELECT 2", "line 2: COMMIT"),
        (b"BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2", "line 1: BEGIN"),
        (b"BEGIN; SELECT 1; ROLLBACK; COMMIT", "ROLLBACK"),
        (b"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT", "BEGIN"),
        (b"SAVEPOINT s", "SAVEPOINT"),
        (b"SELECT 1; PREPARE TRANSACTION 'x'", "PREPARE"),
        (b"-- migrate: no-transaction\nBEGIN;\nSELECT 1;\nEND;", "line 2: BEGIN"),
        (b"COPY accounts FROM stdin;", "COPY"),
        (b"SELECT 1;\nDISCARD ALL", "line 2: it would give up the runner's lock"),
        (b"SELECT pg_advisory_unlock_all()", "lock"),
        (b"DEALLOCATE ALL", "prepared statements"),
        (b"DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$", "lock"),
        (b"\\set ON_ERROR_STOP on\nSELECT 1", r"\\set is a command of psql"),
        (b"SELECT 1;\n\\echo it's done\nSELECT 2", r"line 2: \\echo is a command of psql"),
        (b"SELECT 1\n\\gexec\nSELECT 2", r"line 2: \\gexec is a command of psql"),
        (b"SELECT 1;\nCOPY t FROM stdin;\n", "line 2: COPY from the client needs its data"),
        (b"SELECT 1;\nCOPY t FROM stdin; SELECT 2;\n", "line 2: COPY from the client needs its"),
        (b"SELECT 1;\nCOPY t FROM stdin;\n1\tit's\n", "line 2: COPY from the client needs its"),
        (b"COPY t TO stdout;", "line 1: COPY to the client cannot run"),
        (b"SELECT 1\n\\restrict abc\n;", r"line 2: \\restrict is a command of psql"),
        (b"-- migrate: no-transaction\nSET LOCAL ROLE x", "line 2: SET LOCAL means nothing"),
        (b"-- migrate: no-transaction\nLOCK TABLE x", "line 2: LOCK TABLE means nothing"),
        (b"SET standard_conforming_strings = off;", "stays on"),
    ],
)
def test_a_file_that_may_not_run_is_refused_before_any_other_runs(
    target_db: Database, write: Write, content: bytes, reason: str
) -> None:
    folder = write(first="CREATE TABLE a (id int)")
    (folder / "0002_odd.sql").write_bytes(content)
    with pytest.raises(MigrationRefused, match=rf"0002_odd\.sql.*{reason}"):
        Runner(target_db, folder).up()
    assert tables_in(target_db) == []


@pytest.mark.parametrize(
    "text",
    [
        "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; CREATE TABLE a ()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$\nBEGIN -- it's; fine\n"
        "RETURN 1; /* ; */ END $f$; CREATE TABLE a ()",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'a') THEN "
        "CREATE TABLE a (); END IF; END $$;",
        "/* header; 'quoted */ CREATE TABLE a (\"odd;name\" text DEFAULT 'it''s; \\');",
        "CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 1000); ANALYZE a;",
        "CREATE TYPE mood AS ENUM ('low'); CREATE TABLE a (m mood); COMMENT ON TYPE mood IS ';'",
        "PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p; CREATE TABLE a ()",
        "\ufeffCREATE TABLE a ();",
        "SET search_path = public; SET LOCAL lock_timeout = '1s'; CREATE TABLE a ()",
        "CREATE TABLE a (x\u2192$$ int, \u201c$$ int)",
        "CREATE TABLE a (b int GENERATED ALWAYS AS IDENTITY, c int[] DEFAULT '{1,2}', "
        "d text CHECK (d ~ E'^\\\\d;'))",
    ],
)
def test_files_as_others_write_them_run_as_they_are(
    target_db: Database, write: Write, text: str
) -> None:
    runner = Runner(target_db, write(odd=text, next="CREATE TABLE b (id int)"))
    assert len(runner.up()) == 2
    assert {"table public.a", "table public.b"} <= objects_in(target_db).keys()
    assert runner.verify() == []


def test_a_database_that_takes_no_writes_is_told_and_left(
    target_db: Database, empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    name = target_from_url(empty_urls.owner).database
    with admin_db.transaction() as tx:
        tx.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(MigrationFailed, match="read-only transaction"):
        Runner(target_db, write(make="CREATE TABLE a (id int)")).up()


def test_a_run_with_nothing_to_do_and_status_need_no_right_to_write(
    target_db: Database, empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    runner = Runner(target_db, write(make="CREATE TABLE a (id int)"))
    runner.up()
    target_db.close()
    name = target_from_url(empty_urls.owner).database
    with admin_db.transaction() as tx:
        tx.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert runner.up() == []
    assert runner.status().problems == ()
    with pytest.raises(MigrationFailed, match=r"DATABASE in a read-only transaction \(25006\)"):
        runner.verify()


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "0001_gone.sql").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MigrationRefused, match=r"0001_gone\.sql cannot be read: No such file"):
        read_folder(tmp_path)


def test_a_waiter_that_loses_its_connection_says_so(
    target_db: Database, empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    folder, told = write(make="SELECT 1"), []

    def wait() -> None:
        with closing(owner_of(empty_urls)) as other:
            try:
                Runner(other, folder, lock_wait_s=20).up()
            except DatabaseUnavailable as error:
                told.append(str(error))

    with alone(target_db, 0):
        waiter = threading.Thread(target=wait)
        waiter.start()
        while not _ended(admin_db, empty_urls):
            pass
        waiter.join()
    assert len(told) == 1
    assert "run again" in told[0]


def _ended(admin_db: Database, urls: DatabaseUrls) -> bool:
    """End the session that is asking for the lock; False until there is one."""
    with admin_db.transaction() as tx:
        return bool(
            tx.rows(
                "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "
                "WHERE datname = :name AND query LIKE 'SELECT pg_try_advisory_lock%' "
                "AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
                name=target_from_url(urls.owner).database,
            )
        )


def test_a_database_that_is_not_there_is_told(empty_urls: DatabaseUrls, write: Write) -> None:
    target = replace(target_from_url(empty_urls.owner), database="nowhere")
    with closing(Database(target, application_name="tests")) as database:
        for run in (Runner(database, write(make="SELECT 1")).up, Runner(database, write()).status):
            with pytest.raises(OpsError, match='"nowhere" does not exist'):
                run()


def test_a_database_of_another_project_is_refused_by_its_files(
    target_db: Database, write: Write, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "0001_theirs.sql").write_text("CREATE TABLE theirs (id int)")
    Runner(target_db, other).up()
    with pytest.raises(MigrationRefused, match=r"0001_theirs\.sql is applied, but the file"):
        Runner(target_db, write(ours="CREATE TABLE ours (id int)")).up()


def test_several_hundred_files_run_and_verify(target_db: Database, write: Write) -> None:
    folder = write(**{f"t{n}": f"CREATE TABLE t{n} (id int PRIMARY KEY)" for n in range(300)})
    runner = Runner(target_db, folder)
    assert len(runner.up()) == 300
    assert runner.verify() == []


def test_the_wait_for_the_lock_and_a_statement_end_before_the_function_does() -> None:
    assert stage_named("db_migration").timeout_s > LOCK_WAIT_S + STATEMENT_S


def test_an_empty_folder_and_none_are_refused(target_db: Database, tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match="holds no migration"):
        Runner(target_db, tmp_path).up()
    with pytest.raises(MigrationRefused, match="not a folder"):
        Runner(target_db, tmp_path / "nothing").up()


@pytest.mark.parametrize(
    ("opening", "closing_"), [("BEGIN", "COMMIT"), ("start transaction", "END WORK")]
)
def test_a_file_s_own_outer_transaction_is_left_out(
    target_db: Database, write: Write, opening: str, closing_: str
) -> None:
    folder = write(wrapped=f"-- ours\n{opening};\nCREATE TABLE a (id int);\n{closing_};\n")
    Runner(target_db, folder).up()
    assert applied_in(target_db) == ["0001_wrapped"]


def test_a_second_runner_waits_for_the_first_and_finds_its_work_done(
    empty_urls: DatabaseUrls, write: Write
) -> None:
    folder = write(
        make="CREATE TABLE a (id int); SELECT pg_sleep(0.3)",
        index="-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id)",
    )
    done: list[int] = []

    def migrate() -> None:
        with closing(owner_of(empty_urls)) as database:
            done.append(len(Runner(database, folder).up()))

    runners = [threading.Thread(target=migrate) for _ in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert sorted(done) == [0, 0, 2]


def test_a_lock_that_cannot_be_had_in_time_is_a_clear_error(
    target_db: Database, empty_urls: DatabaseUrls, tmp_path: Path
) -> None:
    slow, blocked = tmp_path / "slow", tmp_path / "blocked"
    for folder, text in ((slow, "SELECT pg_sleep(1)"), (blocked, "CREATE TABLE a (id int)")):
        folder.mkdir()
        (folder / "0001_make.sql").write_text(text)
    with closing(owner_of(empty_urls)) as first:
        runner = threading.Thread(target=Runner(first, slow).up)
        runner.start()
        _wait_for_the_lock(target_db)
        with pytest.raises(DatabaseUnavailable, match=r"another migration run \(pid \d+, tests\)"):
            Runner(target_db, blocked, lock_wait_s=0.2).up()
        runner.join()
    assert objects_in(target_db) == {}


def test_the_lock_is_free_after_a_failure(
    target_db: Database, empty_urls: DatabaseUrls, write: Write
) -> None:
    folder = write(bad="SELECT 1/0")
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    write(bad="SELECT 1")
    with closing(owner_of(empty_urls)) as other:
        assert len(Runner(other, folder, lock_wait_s=0).up()) == 1


def test_a_connection_that_dies_inside_a_file_leaves_nothing_of_it(
    target_db: Database, write: Write
) -> None:
    folder = write(bad="CREATE TABLE a (id int);\nSELECT pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(MigrationFailed, match=r"0001_bad\.sql line 2"):
        Runner(target_db, folder).up()
    assert objects_in(target_db) == {}
    write(bad="CREATE TABLE a (id int)")
    assert len(Runner(target_db, folder).up()) == 1


def test_a_connection_that_dies_at_a_file_s_commit_leaves_a_question_that_the_next_run_answers(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make="CREATE TABLE a (id int);\n"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
        "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;\n"
        "CREATE CONSTRAINT TRIGGER last AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED\n"
        "FOR EACH ROW EXECUTE FUNCTION die();",
        fill="INSERT INTO a VALUES (1);",
    )
    runner = Runner(target_db, folder)
    with pytest.raises(CommitUnknown, match=r"0002_fill\.sql at its end: .*; the next run finds"):
        runner.up()
    assert [row.version for row in runner.status().applied] == ["0001_make"]
    assert runner.status().pending == ("0002_fill",)


def test_no_file_runs_over_a_connection_that_lost_the_lock(
    target_db: Database, write: Write, admin_db: Database
) -> None:
    [file] = read_folder(write(make="CREATE TABLE a (id int)"))
    with alone(target_db, 1) as session:
        pid = session.raw.execute_simple("SELECT pg_backend_pid()").rows[0][0]
        with admin_db.transaction() as tx:
            tx.execute("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)
        with pytest.raises(MigrationFailed, match="lock; run again"):  # noqa: SIM117 - in that order
            with target_db.transaction() as tx:
                session.enter(tx, plan(file))
    assert len(Runner(target_db, write(make="CREATE TABLE a (id int)")).up()) == 1


def test_a_history_of_another_runner_is_refused(target_db: Database, write: Write) -> None:
    with target_db.transaction() as tx:
        tx.script("CREATE TABLE schema_migrations (version text)")
    with pytest.raises(MigrationRefused, match="another runner's: it has no checksum"):
        Runner(target_db, write(make="SELECT 1")).up()


def test_a_login_that_may_not_build_gets_postgres_s_words(
    empty_urls: DatabaseUrls, write: Write
) -> None:
    database = Database(target_from_url(empty_urls.writer), application_name="tests")
    with closing(database), pytest.raises(MigrationFailed, match=r"permission denied.*42501"):
        Runner(database, write(make="SELECT 1")).up()


def test_our_own_migrations_are_in_order_and_the_writer_sees_themapplied_in(
    owner_db: Database, db: Database
) -> None:
    assert Runner(owner_db, MIGRATIONS).verify() == []
    with db.transaction() as tx:
        assert schema.missing_versions(tx) == ()


def test_a_folder_that_is_not_in_order_is_told_though_the_database_does_not_answer(
    tmp_path: Path,
) -> None:
    gone = target_from_url("postgresql://nobody@127.0.0.1:1/gone?sslmode=disable")
    with closing(Database(gone, application_name="tests", limits=LIMITS)) as database:
        with pytest.raises(MigrationRefused, match="holds no migration"):
            Runner(database, tmp_path).up()
        (tmp_path / "0001_a.sql").write_text("SELECT 1")
        with pytest.raises(DatabaseUnavailable):
            Runner(database, tmp_path).up()
