"""Whatever is changed by hand shows in the snapshot that `verify` compares, by object."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.drift import compare
from ops_pipeline.db.migrations.snapshot import keyed, snapshot

SCHEMA = """
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE DOMAIN price AS numeric CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE books (id int PRIMARY KEY, title text NOT NULL DEFAULT '', cost price, n serial,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE loans (id int PRIMARY KEY, book int CONSTRAINT fk REFERENCES books,
    CONSTRAINT positive CHECK (id > 0));
CREATE INDEX by_title ON books (title);
CREATE FUNCTION f(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE TRIGGER watched BEFORE INSERT ON books FOR EACH ROW EXECUTE FUNCTION watch();
CREATE VIEW titles AS SELECT title FROM books;
CREATE MATERIALIZED VIEW ids AS SELECT id FROM books;
CREATE SEQUENCE numbers OWNED BY loans.id;
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE POLICY mine ON books FOR SELECT USING (id > 0);
CREATE RULE kept AS ON DELETE TO loans DO INSTEAD NOTHING;
CREATE STATISTICS paired ON id, title FROM books;
CREATE TABLE days (d int) PARTITION BY RANGE (d);
CREATE TABLE first PARTITION OF days FOR VALUES FROM (1) TO (2);
CREATE TABLE base (x int);
CREATE TABLE derived (y int) INHERITS (base);
CREATE SCHEMA app;
GRANT SELECT ON books TO ops_pipeline_reader;
GRANT USAGE ON SCHEMA app TO ops_pipeline_reader;
"""
# A change, and the object that must be told of it.
CHANGES = {
    "ALTER TABLE books ALTER n SET DEFAULT 3": "column public.books.n",
    "ALTER TABLE books REPLICA IDENTITY FULL": "table public.books",
    "ALTER TABLE books SET (fillfactor = 50)": "table public.books",
    "ALTER TABLE loans DROP CONSTRAINT fk": "constraint public.loans.fk",
    "ALTER TABLE loans ALTER CONSTRAINT fk DEFERRABLE": "constraint public.loans.fk",
    "ALTER TABLE loans DISABLE TRIGGER ALL": "constraint public.loans.fk",
    "ALTER TABLE loans DROP CONSTRAINT positive;"
    "ALTER TABLE loans ADD CONSTRAINT positive CHECK (id > 0) NOT VALID":
        "constraint public.loans.positive",
    "ALTER TABLE books ENABLE ALWAYS TRIGGER watched": "trigger public.books.watched",
    "ALTER TABLE books ENABLE REPLICA TRIGGER watched": "trigger public.books.watched",
    "DROP INDEX by_title; CREATE INDEX by_title ON books (title DESC)":
        "index public.books.by_title",
    "SET LOCAL allow_system_table_mods = on; UPDATE pg_index SET indisvalid = false "
    "WHERE indexrelid = 'by_title'::regclass": "index public.books.by_title",
    "ALTER FUNCTION f(int) SECURITY DEFINER": "function public.f(n integer)",
    "ALTER FUNCTION f(int) SET search_path = app": "function public.f(n integer)",
    "DROP FUNCTION f(int)": "function public.f(n integer)",
    "REVOKE EXECUTE ON FUNCTION f(int) FROM PUBLIC":
        "privileges function public.f(n integer) to public",
    "GRANT EXECUTE ON PROCEDURE p() TO ops_pipeline_reader":
        "privileges procedure public.p() to ops_pipeline_reader",
    "DROP PROCEDURE p()": "procedure public.p()",
    "COMMENT ON FUNCTION f(int) IS 'x'": "comment function public.f(integer)",
    "COMMENT ON TYPE mood IS 'x'": "comment type public.mood",
    "COMMENT ON INDEX by_title IS 'x'": "comment public.by_title",
    "COMMENT ON COLUMN books.title IS 'x'": "comment public.books.title",
    "COMMENT ON CONSTRAINT positive ON loans IS 'x'":
        "comment table constraint positive on public.loans",
    "COMMENT ON TRIGGER watched ON books IS 'x'": "comment trigger watched on public.books",
    "COMMENT ON SCHEMA app IS 'x'": "comment schema app",
    "CREATE OR REPLACE VIEW titles AS SELECT title, id FROM books": "view public.titles",
    "ALTER VIEW titles SET (security_invoker = true)": "view public.titles",
    "DROP MATERIALIZED VIEW ids; CREATE MATERIALIZED VIEW ids AS SELECT id + 1 AS id FROM books":
        "materialized view public.ids",
    "GRANT SELECT (title) ON books TO ops_pipeline_writer":
        "privileges public.books.title to ops_pipeline_writer",
    "GRANT SELECT ON books TO ops_pipeline_reader WITH GRANT OPTION":
        "privileges public.books to ops_pipeline_reader",
    "REVOKE SELECT ON books FROM ops_pipeline_reader":
        "privileges public.books to ops_pipeline_reader",
    "GRANT USAGE ON SEQUENCE numbers TO ops_pipeline_reader":
        "privileges public.numbers to ops_pipeline_reader",
    "GRANT CREATE ON SCHEMA app TO ops_pipeline_reader":
        "privileges schema app to ops_pipeline_reader",
    "REVOKE USAGE ON TYPE mood FROM PUBLIC": "privileges enum public.mood to public",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ops_pipeline_reader":
        "default privileges of ops_superuser r to ops_pipeline_reader",
    "ALTER TYPE mood RENAME VALUE 'low' TO 'lo'": "enum public.mood",
    "ALTER DOMAIN price SET DEFAULT 3": "domain public.price",
    "ALTER DOMAIN price ADD CHECK (VALUE > 1)": "domain public.price",
    "ALTER TYPE pair ADD ATTRIBUTE c int": "column public.pair.c",
    "ALTER SEQUENCE numbers OWNED BY NONE": "sequence public.numbers",
    "ALTER SEQUENCE numbers CYCLE": "sequence public.numbers (values)",
    "DROP AGGREGATE total(int); CREATE AGGREGATE total(int) (SFUNC = int4mul, STYPE = int)":
        "aggregate public.total(integer)",
    "DROP POLICY mine ON books": "policy public.books.mine",
    "ALTER POLICY mine ON books USING (id > 1)": "policy public.books.mine",
    "ALTER POLICY mine ON books TO ops_pipeline_reader": "policy public.books.mine",
    "DROP RULE kept ON loans": "rule public.loans.kept",
    "ALTER TABLE loans DISABLE RULE kept": "rule public.loans.kept",
    "ALTER TABLE days DETACH PARTITION first": "table public.first",
    "ALTER TABLE derived NO INHERIT base": "table public.derived",
    "DROP STATISTICS paired": "statistics object public.paired",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION ddl()": "event trigger e",
    "CREATE PUBLICATION p FOR ALL TABLES": "publication p",
    "CREATE CAST (int AS mood) WITH INOUT": "cast (integer AS public.mood)",
    "CREATE TEXT SEARCH CONFIGURATION t (COPY = simple)": "text search configuration public.t",
    "CREATE TABLE schema_migrations_of_mine (id int)": "table public.schema_migrations_of_mine",
}  # fmt: skip


@pytest.fixture
def superuser(postgres: EmbeddedPostgres, empty_urls: DatabaseUrls) -> Iterator[Database]:
    url = local.url_for(postgres.url, database=target_from_url(empty_urls.owner).database)
    with closing(Database(target_from_url(url), application_name="tests")) as database:
        with database.transaction() as tx:
            tx.script(SCHEMA)
        yield database


def _drift(database: Database, before: dict[str, str], change: str) -> list[str]:
    with database.transaction() as tx:
        tx.script(f"SAVEPOINT before; {change}")
        found = list(compare(snapshot(tx), before))
        tx.script("ROLLBACK TO SAVEPOINT before")
    return found


def test_every_kind_of_change_is_told_by_its_object(superuser: Database) -> None:
    with superuser.transaction() as tx:
        before = snapshot(tx)
    told = {change: _drift(superuser, before, change) for change in CHANGES}
    untold = {
        change: lines
        for change, lines in told.items()
        if not any(line.startswith(f"{CHANGES[change]} is ") for line in lines)
    }
    assert untold == {}


def test_a_whole_object_that_is_missing_is_told_in_one_line(superuser: Database) -> None:
    with superuser.transaction() as tx:
        before = snapshot(tx)
    for change in ("DROP FUNCTION f(int)", "DROP VIEW titles", "DROP SCHEMA app"):
        assert len(_drift(superuser, before, change)) == 1, change


LONG = "a_name_of_sixty_three_bytes_that_goes_on_and_on_until_it_is_ful"


@pytest.mark.parametrize("dropped", ["1", "2"])
def test_names_of_any_length_are_kept_apart(superuser: Database, dropped: str) -> None:
    with superuser.transaction() as tx:
        tx.script(
            f"CREATE SCHEMA {LONG}; CREATE TABLE {LONG}.{LONG} ("
            f"a int CONSTRAINT {LONG[:-1]}1 CHECK (a > 0), "
            f"b int CONSTRAINT {LONG[:-1]}2 CHECK (b > 0))"
        )
        before = snapshot(tx)
    name = f"{LONG}.{LONG}.{LONG[:-1]}{dropped}"
    told = _drift(
        superuser, before, f"ALTER TABLE {LONG}.{LONG} DROP CONSTRAINT {LONG[:-1]}{dropped}"
    )
    assert told == [f"constraint {name} is missing: the migrations make it"]


def test_odd_names_are_kept_apart(superuser: Database) -> None:
    with superuser.transaction() as tx:
        tx.script(
            'CREATE SCHEMA "a.b"; CREATE SCHEMA a; CREATE TABLE "a.b".c (id int);'
            'CREATE TABLE a."b.c" (id int); CREATE TABLE a.b (c int, "c d" int);'
            "CREATE FUNCTION a.\"f(n integer)\"() RETURNS int LANGUAGE sql AS 'SELECT 1';"
            "CREATE FUNCTION a.f(n integer) RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
        assert len(snapshot(tx)) > 0


def test_two_objects_of_one_name_are_never_taken_for_one() -> None:
    row = {"kind": "table", "name": "public.books", "definition": ""}
    with pytest.raises(RuntimeError, match=r"one name in the snapshot: table public\.books"):
        keyed([row, {**row, "definition": "row security"}])


@pytest.mark.parametrize("schema", ["ours", pytest.param("large", marks=pytest.mark.slow)])
def test_a_schema_reads_the_same_a_hundred_times(
    schema: str, owner_db: Database, empty_urls: DatabaseUrls
) -> None:
    if schema == "large":
        owner_db.close()
        database = Database(target_from_url(empty_urls.owner), application_name="tests")
    else:
        database = owner_db
    with closing(database):
        if schema == "large":
            with database.transaction() as tx:
                tx.script(_large_schema())
        first = _read_by(database, "SET LOCAL TimeZone = 'Asia/Kolkata'; SET LOCAL jit = on")
        assert len(first) > 400
        for number in range(100):
            settings = f"SET LOCAL enable_hashjoin = {bool(number % 2)}; SET LOCAL work_mem = 64"
            assert list(compare(_read_by(database, settings), first)) == []


def _read_by(database: Database, settings: str) -> dict[str, str]:
    with database.transaction() as tx:
        tx.script(settings)
        return snapshot(tx)


def _large_schema() -> str:
    """Tables with long names, which differ at their ends."""
    head = LONG[:55]
    return "".join(
        f"CREATE TABLE {head}{n:04} (id int CONSTRAINT {head}_k{n:04} PRIMARY KEY, "
        f"a int CONSTRAINT {head}_a{n:04} CHECK (a > {n}), at timestamptz DEFAULT '2026-01-01',"
        f"b int CONSTRAINT {head}_b{n:04} CHECK (b > {n}));"
        for n in range(150)
    )
