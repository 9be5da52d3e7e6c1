"""Files with an up and a down section, as other runners write them: only the up section runs."""

from pathlib import Path

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.files import read_folder
from ops_pipeline.db.migrations.lexer import as_bytes
from ops_pipeline.db.migrations.plan import MigrationPlan, plan
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.db.migrations.up_down_markers import up_section
from ops_pipeline.errors import MigrationFailed, MigrationRefused
from tests.migrations.folders import Write, applied_in, objects_in

DBMATE = """-- migrate:up
CREATE TABLE a (id int);

-- migrate:down
DROP TABLE a;
"""
GOOSE = """-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
-- +goose StatementEnd
CREATE TABLE a (id int);
-- +goose Down
DROP TABLE a;
DROP FUNCTION f();
"""


def planned(folder: Path) -> MigrationPlan:
    [file] = read_folder(folder)
    return plan(file, auto_no_transaction=False)


@pytest.mark.parametrize(
    "text",
    [
        DBMATE,
        f"-- Who: somebody\n\n{DBMATE}",
        GOOSE,
        "-- +migrate Up\nCREATE TABLE a (id int);\n-- +migrate Down\nDROP TABLE a;",
        "-- rambler up\nCREATE TABLE a (id int);\n-- rambler down\nDROP TABLE a;",
        "-- Up Migration\nCREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;",
        "CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;",
        "CREATE TABLE a (id int);\n-- //@UNDO\nDROP TABLE a;",
    ],
)
def test_the_way_back_is_left_out_and_said_to_be(write: Write, text: str) -> None:
    made = planned(write(make=text))
    assert made.statements[-1].text == "CREATE TABLE a (id int)"
    assert (made.transactional, made.note) == (True, "its down section left out")


def test_what_such_a_file_makes_stays_and_is_in_order(target_db: Database, write: Write) -> None:
    runner = Runner(target_db, write(make=GOOSE))
    assert [row.note for row in runner.up()] == ["its down section left out"]
    assert "table public.a" in objects_in(target_db)
    assert runner.verify() == []


@pytest.mark.parametrize(
    "text",
    [
        "-- migrate:up transaction:false\n{}\n-- migrate:down transaction:false\nSELECT 1;",
        "-- +goose NO TRANSACTION\n-- +goose Up\n{}",
        "-- +migrate Up notransaction\n{}",
    ],
)
def test_a_mark_that_says_so_runs_the_file_without_a_transaction(write: Write, text: str) -> None:
    index = "CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);"
    made = planned(write(make=text.format(index)))
    assert (len(made.statements), made.transactional) == (2, False)


def test_the_line_of_an_error_is_that_of_the_file(target_db: Database, write: Write) -> None:
    folder = write(make="-- head\n-- migrate:up\nSELECT 1;\nSELECT nothing;\n-- migrate:down\n")
    with pytest.raises(MigrationFailed, match=r"0001_make\.sql line 4"):
        Runner(target_db, folder).up()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE TABLE a (id int);\n-- down\nDROP TABLE a;", "line 2: '-- down' looks like"),
        ("CREATE TABLE a (id int);\n\n--- DOWN ---\nDROP TABLE a;", "line 3"),
        ("CREATE TABLE a (id int);\n-- @rollback:\nDROP TABLE a;", "line 2"),
        ("-- migrate:up\nSELECT 1;\n-- migrate:up\nSELECT 2;", "line 3: a second up section"),
        ("-- migrate:down\nSELECT 1;\n-- migrate:up\nSELECT 2;", "line 3"),
        ("-- migrate:up\n-- migrate:down\n-- migrate:down\n", "line 3: a second down section"),
        ("SELECT 1;\n-- migrate:up\nSELECT 2;", "line 1: statements before the marker"),
    ],
)
def test_where_the_way_back_cannot_be_told_the_file_is_refused(
    write: Write, text: str, line: str
) -> None:
    with pytest.raises(MigrationRefused, match=rf"0001_odd\.sql {line}"):
        planned(write(odd=text))


@pytest.mark.parametrize(
    "text",
    [
        "-- Rollback:\n--   DROP TABLE a;\nCREATE TABLE a (id int);",
        "CREATE TABLE a (id int);\n-- rollback\n-- DROP TABLE a;\n",
        "CREATE TABLE a (id int); -- goes up and down",
        "-- slow down\nCREATE TABLE a (id int DEFAULT 1);\n-- to roll back: drop it\nSELECT 1;",
        "INSERT INTO t VALUES ('\n-- migrate:down\n');",
        "DO $$ BEGIN\n-- migrate:down\nNULL; END $$;",
    ],
)
def test_ordinary_remarks_and_quoted_text_mark_nothing(write: Write, text: str) -> None:
    [file] = read_folder(write(plain=text))
    section = up_section(file, file.source())
    assert file.source()[section.begin : section.end] == as_bytes(text)


def test_a_way_back_in_a_file_of_its_own_is_left_alone(target_db: Database, tmp_path: Path) -> None:
    (tmp_path / "0001_make.up.sql").write_text("CREATE TABLE a (id int)")
    (tmp_path / "0001_make.down.sql").write_text("DROP TABLE a")
    (tmp_path / "0002_more.sql").write_text("CREATE TABLE b (id int)")
    (tmp_path / "0002_more.rollback.sql").write_text("DROP TABLE b")
    Runner(target_db, tmp_path).up()
    assert applied_in(target_db) == ["0001_make.up", "0002_more"]
    assert {"table public.a", "table public.b"} <= objects_in(target_db).keys()


def test_a_way_back_alone_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "0001_make.sql").write_text("CREATE TABLE a (id int)")
    (tmp_path / "0002_more.down.sql").write_text("DROP TABLE a")
    with pytest.raises(MigrationRefused, match=r"0002_more\.down\.sql undoes a migration"):
        read_folder(tmp_path)
