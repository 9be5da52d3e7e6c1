"""`verify` finds every object that is not as the migrations make it, and says which."""

from contextlib import ExitStack, closing
from dataclasses import replace
from threading import Timer

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations import drift
from ops_pipeline.db.migrations.cluster_wide import is_cluster_wide
from ops_pipeline.db.migrations.lexer import split
from ops_pipeline.db.migrations.runner import LIMITS, Runner
from ops_pipeline.db.migrations.snapshot import fingerprint
from ops_pipeline.db.roles import Role
from ops_pipeline.errors import MigrationRefused
from tests.migrations.folders import MIGRATIONS, Write

SCHEMA = """
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE DOMAIN price AS numeric CHECK (VALUE > 0);
CREATE TABLE books (id int PRIMARY KEY, title text NOT NULL DEFAULT '', cost price, m mood);
COMMENT ON TABLE books IS 'What is read.';
CREATE INDEX books_title ON books (title);
CREATE FUNCTION doubled(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER books_watched BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION watch();
CREATE VIEW titles AS SELECT title FROM books;
CREATE SEQUENCE numbers;
GRANT SELECT ON books TO ops_pipeline_reader;
"""


@pytest.fixture
def library(target_db: Database, write: Write) -> Runner:
    runner = Runner(target_db, write(make=SCHEMA))
    runner.up()
    return runner


def test_what_the_migrations_made_is_in_order(library: Runner) -> None:
    assert library.verify() == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE books ADD shelf int", "column public.books.shelf is there, but no migration"),
        ("ALTER TABLE books DROP cost", "column public.books.cost is missing"),
        ("ALTER TABLE books ALTER id TYPE bigint", "column public.books.id is bigint not null"),
        ("ALTER TABLE books ALTER title DROP NOT NULL", "column public.books.title is text def"),
        ("ALTER TABLE books ALTER title SET DEFAULT 'x'", "column public.books.title is "),
        ("ALTER TABLE books ADD CHECK (id > 0)", "constraint public.books.books_id_check is there"),
        ("DROP INDEX books_title", "index public.books.books_title is missing"),
        ("CREATE TABLE stray (id int)", "table public.stray is there, but no migration makes it"),
        ("DROP VIEW titles", "view public.titles is missing"),
        ("ALTER TYPE mood ADD VALUE 'odd'", "enum public.mood is low, high, odd"),
        ("CREATE OR REPLACE FUNCTION doubled(n int) RETURNS int LANGUAGE sql AS 'SELECT 3'",
         "function public.doubled(n integer) is "),
        ("DROP TRIGGER books_watched ON books", "trigger public.books.books_watched is missing"),
        ("ALTER TABLE books DISABLE TRIGGER books_watched", "trigger public.books.books_watch"),
        ("COMMENT ON TABLE books IS 'Unread.'", "comment public.books is Unread."),
        ("GRANT INSERT ON books TO ops_pipeline_reader",
         "privileges public.books to ops_pipeline_reader is INSERT, SELECT;"),
        ("ALTER TABLE books ENABLE ROW LEVEL SECURITY", "table public.books is row security"),
        ("ALTER SEQUENCE numbers INCREMENT BY 5", "sequence public.numbers (values) is "),
        ("CREATE SCHEMA attic", "schema attic is there"),
    ],
)  # fmt: skip
def test_drift_is_told_by_object(
    library: Runner, target_db: Database, change: str, told: str
) -> None:
    with target_db.transaction() as tx:
        tx.execute(change)
    [problem, *more] = library.verify()
    assert problem.startswith(told)
    assert more == [] or "title" in change or "bigint" in change


def test_a_file_that_is_not_applied_is_told(library: Runner, write: Write) -> None:
    write(2, more="SELECT 1")
    assert library.verify() == ["0002_more is not applied"]


def test_an_invalid_index_is_drift(
    library: Runner, target_db: Database, admin_db: Database
) -> None:
    with target_db.transaction() as tx:
        tx.execute("INSERT INTO books (id, title) VALUES (1, 'a'), (2, 'a')")
    with pytest.raises(Exception, match="could not create unique"):
        target_db.session().execute_simple("CREATE UNIQUE INDEX CONCURRENTLY odd ON books (title)")
    [problem] = library.verify()
    assert problem.startswith("index public.books.odd is there")


def test_verify_runs_nothing_that_reaches_beyond_its_scratch_database(
    empty_urls: DatabaseUrls, postgres: EmbeddedPostgres, write: Write, admin_db: Database
) -> None:
    url = local.url_for(postgres.url, database=target_from_url(empty_urls.owner).database)
    folder = write(
        role="CREATE ROLE beyond PASSWORD 'first'; GRANT beyond TO ops_pipeline_owner;\n"
        "DO $$ BEGIN ALTER ROLE beyond CONNECTION LIMIT 5; END $$;",
        side="-- migrate: no-transaction\nDROP DATABASE IF EXISTS beyond_side;\n"
        "CREATE DATABASE beyond_side;",
        use="CREATE TABLE a (id int); GRANT SELECT ON a TO beyond;",
    )
    facts = (
        "SELECT (SELECT oid FROM pg_database WHERE datname = 'beyond_side') AS side, rolconnlimit "
        "FROM pg_roles WHERE rolname = 'beyond'"
    )
    with closing(Database(target_from_url(url), application_name="tests")) as database:
        runner = Runner(database, folder)
        runner.up()
        with database.transaction() as tx:
            tx.execute("ALTER ROLE beyond CONNECTION LIMIT 7")
            [before] = tx.rows(facts)
        assert runner.verify() == []
        with database.transaction() as tx:
            tx.script("ALTER TABLE a ADD b int")
        assert runner.verify() == [
            "column public.a.b is there, but no migration makes it",
            "not run for this comparison, because they act beyond this database: "
            "0001_role.sql line 1 (CREATE ROLE), 0001_role.sql line 1 (GRANT beyond), "
            "0001_role.sql line 2 (DO), 0002_side.sql line 2 (DROP DATABASE), "
            "0002_side.sql line 3 (CREATE DATABASE)",
        ]
        with database.transaction() as tx:
            assert tx.rows(facts) == [before]
            tx.script("DROP TABLE a; DROP ROLE beyond")
    local.drop_database(admin_db, "beyond_side")


@pytest.mark.parametrize(
    ("sql", "beyond"),
    [
        ("ALTER USER x PASSWORD 'y'", True),
        ("CREATE USER MAPPING FOR x SERVER y", False),
        ("GRANT CONNECT ON DATABASE x TO y", True),
        ("GRANT SELECT ON t TO y", False),
        ("REVOKE x FROM y", True),
        ("COMMENT ON DATABASE x IS 'y'", True),
        ("COMMENT ON TABLE x IS 'y'", False),
        ("DROP OWNED BY x", True),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", True),
        ("COPY t TO '/tmp/x'", True),
        ("COPY to_do FROM '/tmp/x'", False),
        ("ALTER SYSTEM SET work_mem = '1MB'", True),
        ("DO $$ BEGIN EXECUTE 'drop database x'; END $$", True),
        ("DO $$ BEGIN PERFORM 1; END $$", False),
        ("CREATE TABLE role (id int)", False),
    ],
)
def test_what_reaches_beyond_a_database_is_known(sql: str, beyond: bool) -> None:
    [statement] = split(sql)
    assert is_cluster_wide(statement) is beyond


def test_our_own_migrations_make_what_they_made(owner_db: Database) -> None:
    assert Runner(owner_db, MIGRATIONS).verify() == []


def test_the_scratch_database_is_gone_afterwards(library: Runner, admin_db: Database) -> None:
    library.verify()
    with admin_db.transaction() as tx:
        assert tx.rows("SELECT datname FROM pg_database WHERE datname LIKE 'ops_verify_%'") == []


def test_a_session_in_the_scratch_database_that_this_login_may_not_end_is_waited_for(
    target_db: Database, admin_db: Database
) -> None:
    with ExitStack() as visit, drift._scratch(target_db) as scratch:
        visitor = visit.enter_context(closing(_admin_in(admin_db, scratch._target.database)))
        visitor.session()
        leaving = Timer(0.5, visit.close)
        leaving.start()
    leaving.join()
    with admin_db.transaction() as tx:
        assert tx.rows("SELECT datname FROM pg_database WHERE datname LIKE 'ops_verify_%'") == []


def test_a_login_that_may_make_no_database_is_told_what_to_ask_for(
    empty_urls: DatabaseUrls, write: Write, admin_db: Database
) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    name = target_from_url(empty_urls.owner).database
    with admin_db.transaction() as tx:
        tx.script("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        tx.script(f"GRANT ALL ON DATABASE {name} TO plain")
    url = local.url_for(empty_urls.owner, database=name, user="plain", password="plain")
    with closing(Database(target_from_url(url), application_name="tests", limits=LIMITS)) as db:
        with closing(_admin_in(admin_db, name)) as admin, admin.transaction() as tx:
            tx.script("GRANT ALL ON SCHEMA public TO plain")
        runner = Runner(db, folder)
        runner.up()
        with pytest.raises(MigrationRefused, match=r"scratch database.*CREATEDB"):
            runner.verify()
    with closing(_admin_in(admin_db, name)) as admin, admin.transaction() as tx:
        tx.script("DROP OWNED BY plain CASCADE; DROP ROLE plain")


def _admin_in(admin_db: Database, name: str) -> Database:
    return Database(replace(admin_db._target, database=name), application_name="tests")


def test_the_fingerprint_tells_schemas_apart(library: Runner, target_db: Database) -> None:
    with target_db.transaction() as tx:
        before = fingerprint(tx)
        tx.script("CREATE TABLE more (id int)")
        assert fingerprint(tx) != before
        tx.script("DROP TABLE more")
        assert fingerprint(tx) == before


def test_the_owner_may_verify(admin_db: Database) -> None:
    with admin_db.transaction() as tx:
        row = tx.one(
            "SELECT rolcreatedb AS may FROM pg_roles WHERE rolname = :n", n=Role.OWNER.value
        )
    assert row == {"may": True}
