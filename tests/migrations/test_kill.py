"""The runner is killed around every statement it sends; the next run always ends the work.

A seeded sample runs with every test, all of it with `make slow`. Killed are real
processes, by SIGKILL, over a proxy that counts.
"""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.db.migrations.runner import Runner
from tests.migrations.folders import MIGRATIONS, applied_in, objects_in, owner_of, partial_runs_in
from tests.migrations.killing_proxy import Doom, KillingProxy, Moment

ALONE = "-- migrate: no-transaction\n"
# Twelve of all kinds. Each that writes rows would show if it ran twice or not at all.
FILES = {
    "create_books": """
        CREATE TABLE books (id int PRIMARY KEY, title text NOT NULL, n int NOT NULL DEFAULT 0);
        COMMENT ON TABLE books IS 'a; b -- no end';
        INSERT INTO books (id, title) VALUES (1, 'it''s; one'), (2, $$two; $$), (3, E'th\\'ree');
        """,
    "add_trigger": """
        CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN NEW.n := OLD.n + 1; RETURN NEW; /* ; */ END $body$;
        CREATE TRIGGER books_counted BEFORE UPDATE OF title ON books
            FOR EACH ROW EXECUTE FUNCTION counted();
        """,
    "fill_by_block": """
        DO $$ DECLARE i int; BEGIN -- one; by; one
        FOR i IN 10..12 LOOP INSERT INTO books VALUES (i, 'block ' || i); END LOOP; END $$;
        """,
    "create_mood": """
        CREATE TYPE mood AS ENUM ('low', 'high');
        ALTER TABLE books ADD m mood NOT NULL DEFAULT 'low';
        """,
    "extend_mood": f"""{ALONE}
        ALTER TYPE mood ADD VALUE 'odd';
        UPDATE books SET m = 'odd', n = n + 1 WHERE id = 2;
        CREATE INDEX CONCURRENTLY books_m ON books (m);
        """,
    "wrap_itself": """
        BEGIN;
        CREATE TABLE shelves (id int PRIMARY KEY, book int REFERENCES books);
        INSERT INTO shelves VALUES (1, 1);
        COMMIT;
        """,
    "index_titles": f"""{ALONE}
        CREATE UNIQUE INDEX CONCURRENTLY ON books (title);
        INSERT INTO books VALUES (20, 'after the index');
        REINDEX INDEX CONCURRENTLY books_m;
        """,
    "add_view": """
        CREATE VIEW titles AS SELECT title FROM books;
        GRANT SELECT ON titles, books TO ops_pipeline_reader;
        """,
    "drop_index": f"""{ALONE}
        SET work_mem = '3MB';
        DROP INDEX CONCURRENTLY books_m;
        VACUUM books;
        UPDATE books SET n = n + 100 WHERE current_setting('work_mem') = '3MB';
        """,
    "part_events": """
        CREATE TABLE events (day int, what text) PARTITION BY LIST (day);
        CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
        CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2);
        INSERT INTO events VALUES (1, 'a'), (2, 'b');
        """,
    "detach_events": f"""{ALONE}
        ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;
        DROP TABLE events_1;
        """,
    "double": """
        SELECT pg_catalog.set_config('search_path', '', false);
        CREATE TABLE public.last (id int);
        UPDATE public.books SET n = n * 2;
        INSERT INTO public.last SELECT n FROM public.books;
        """,
}
_ROWS = """
    SELECT 'books' AS t, concat_ws(',', id, title, n, m) AS row FROM books
    UNION ALL SELECT 'shelves', concat_ws(',', id, book) FROM shelves
    UNION ALL SELECT 'events', concat_ws(',', day, what) FROM events
    UNION ALL SELECT 'last', id::text FROM last ORDER BY 1, 2
"""
_BASE = "kill_base"
_SAMPLE = 12
_SEED = 20261121
_numbers = count(1)


class Host:
    """The process that forks the runs; see runner_host."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.migrations.runner_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=MIGRATIONS.parent,
        )

    def run(self, url: str, folder: Path, proxy: KillingProxy) -> int:
        """Return how the run ended: 0, or minus the signal that killed it."""
        self._say(f"{url}\t{folder}")
        proxy.victim = int(self._receive())
        self._say("go")
        return int(self._receive())

    def close(self) -> None:
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _receive(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with closing(Host()) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("twelve")
    for number, (name, text) in enumerate(FILES.items(), start=1):
        (made / f"{number:04}_{name}.sql").write_text(text.lstrip())
    return made


@contextmanager
def empty(
    postgres: EmbeddedPostgres, admin_db: Database, urls: DatabaseUrls
) -> Iterator[DatabaseUrls]:
    """A database of its own for one killed run."""
    local.ensure_database(postgres.url, _BASE)
    name = f"kill_{next(_numbers)}"
    local.clone_database(admin_db, _BASE, name)
    yield urls.in_database(name)
    local.drop_database(admin_db, name)


def through(proxy: KillingProxy, url: str) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@dataclass(frozen=True, slots=True)
class State:
    """What a database holds in the end; two that are equal were made by the same files."""

    objects: dict[str, str]
    rows: list[Row]
    applied: list[str]
    halves: dict[str, int]


def end_state(urls: DatabaseUrls) -> State:
    with closing(owner_of(urls)) as database:
        with database.transaction() as tx:
            rows = tx.rows(_ROWS)
        return State(objects_in(database), rows, applied_in(database), partial_runs_in(database))


@dataclass(frozen=True, slots=True)
class Yard:
    """Where runs are killed."""

    postgres: EmbeddedPostgres
    admin_db: Database
    urls: DatabaseUrls
    host: Host
    folder: Path

    def whole_run(self) -> tuple[int, State]:
        """How many statements an undisturbed run sends, and what it makes."""
        with empty(self.postgres, self.admin_db, self.urls) as urls:
            with KillingProxy(port_of(urls.owner)) as proxy:
                assert self.host.run(through(proxy, urls.owner), self.folder, proxy) == 0
            return proxy.seen, end_state(urls)

    def after(self, doom: Doom) -> State:
        """What a killed run and one more make."""
        with empty(self.postgres, self.admin_db, self.urls) as urls:
            with KillingProxy(port_of(urls.owner), doom) as proxy:
                ended = self.host.run(through(proxy, urls.owner), self.folder, proxy)
            assert ended == -signal.SIGKILL, doom
            with closing(owner_of(urls)) as database:
                Runner(database, self.folder).up()
            return end_state(urls)


@pytest.fixture
def yard(
    postgres: EmbeddedPostgres,
    admin_db: Database,
    template_urls: DatabaseUrls,
    host: Host,
    folder: Path,
) -> Yard:
    return Yard(postgres, admin_db, template_urls, host, folder)


def every_doom(statements: int) -> list[Doom]:
    moments: tuple[Moment, ...] = ("before", "during", "after")
    return [Doom(n, moment) for n in range(1, statements + 1) for moment in moments]


def test_a_killed_run_is_ended_by_the_next_at_a_dozen_places(yard: Yard) -> None:
    statements, whole = yard.whole_run()
    assert len(whole.applied) == len(FILES)
    assert statements > 100
    for doom in random.Random(_SEED).sample(every_doom(statements), _SAMPLE):
        assert yard.after(doom) == whole, doom


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_wherever_the_runner_is_killed_the_next_run_ends_its_work(yard: Yard) -> None:
    statements, whole = yard.whole_run()
    for doom in every_doom(statements):
        assert yard.after(doom) == whole, doom
