"""What pg_dump writes is a migration: its COPY blocks are fed, its psql commands left out."""

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.home import find_binaries
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.errors import MigrationFailed
from tests.migrations.folders import Write, objects_in, owner_of, tables_in

SCHEMA = r"""
CREATE TABLE books (id int PRIMARY KEY, title text, tags text[], cover bytea);
INSERT INTO books VALUES (1, E'it''s\tone; two', '{a,"b c"}', '\x00ff'), (2, '\.', NULL, NULL),
    (3, E'a\nb', '{}', NULL), (4, '-- migrate:down', NULL, NULL), (5, '$$ /* Größe 🙂', NULL, NULL);
CREATE TABLE loans (book int REFERENCES books, at timestamptz DEFAULT now());
INSERT INTO loans SELECT 1 + n % 5, '2026-01-01 00:00Z' FROM generate_series(1, 20000) AS n;
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE SEQUENCE numbers; SELECT nextval('numbers'), nextval('numbers');
CREATE VIEW titles AS SELECT title FROM books;
"""
ROWS = """
SELECT md5(string_agg(b::text, ',' ORDER BY id)) AS books, (SELECT count(*) FROM loans) AS loans,
    (SELECT last_value FROM numbers) AS numbers
FROM books AS b
"""


@pytest.fixture
def dump(postgres: EmbeddedPostgres, database_urls: DatabaseUrls, tmp_path: Path) -> str:
    """The output of the server's own pg_dump, of a database of its own."""
    local.ensure_database(postgres.url, "dumped", fresh=True)
    url = local.url_for(database_urls.owner, database="dumped")
    database = Database(target_from_url(url), application_name="tests")
    with closing(database), database.transaction() as tx:
        tx.script(SCHEMA)
    program = find_binaries(tmp_path) / "pg_dump"
    command = [str(program), "--dbname", url, "--no-owner"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_dump_is_a_migration_that_makes_the_same(
    dump: str, target_db: Database, database_urls: DatabaseUrls, write: Write
) -> None:
    assert "\\restrict" in dump
    runner = Runner(target_db, write(dump=dump))
    assert [row.note for row in runner.up()] == [r"psql's \restrict left out"]
    source = Database(
        target_from_url(local.url_for(database_urls.owner, database="dumped")),
        application_name="tests",
    )
    with closing(source):
        assert target_db.read(ROWS) == source.read(ROWS)
        assert objects_in(target_db) == objects_in(source)
    assert runner.verify() == []


def test_a_file_after_a_dump_finds_the_settings_of_the_database(
    dump: str, target_db: Database, write: Write
) -> None:
    write(dump=dump)
    Runner(target_db, write(2, more="CREATE TABLE more (id int)")).up()
    assert "more" in tables_in(target_db)


@pytest.mark.parametrize("head", ["", "-- migrate: no-transaction\n"])
def test_a_row_that_does_not_fit_is_named_by_its_line_in_the_file(
    target_db: Database, write: Write, head: str
) -> None:
    folder = write(
        make="CREATE TABLE a (id int, t text)",
        fill=f"{head}SELECT 1;\nCOPY a (id, t)\n  FROM stdin;\n1\tx\n2\ty\nthree\tz\n4\tw\n\\.\n"
        "SELECT 2;",
    )
    line = 6 + bool(head)
    with pytest.raises(MigrationFailed, match=rf'0002_fill\.sql line {line}: .*"three"'):
        Runner(target_db, folder).up()
    assert target_db.read("SELECT * FROM a") == []
    write(2, fill=f"{head}SELECT 1;\nCOPY a (id, t)\n  FROM stdin;\n1\tx\n\\.\nSELECT 2;")
    Runner(target_db, folder).up()
    assert target_db.read("SELECT * FROM a") == [{"id": 1, "t": "x"}]


def test_data_that_are_no_data_fail_by_their_line(empty_urls: DatabaseUrls, write: Write) -> None:
    folder = write(fill="CREATE TABLE a (id int);\nCOPY a FROM stdin;\n1\n2\t3\n\\.\n")
    with closing(owner_of(empty_urls)) as database:
        with pytest.raises(MigrationFailed, match=r"line 4: extra data after last expected column"):
            Runner(database, folder).up()
        assert tables_in(database) == ["schema_migrations", "schema_migrations_half_done"]
