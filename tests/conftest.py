"""What tests share: one Postgres a session, one database a test, cloned from a migrated one.

The server is the embedded one, also where DATABASE_URL is set: tests never touch a
database that somebody else may need. It ends with the session, even with a killed one.
"""

import fcntl
import gc
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.home import MOVED
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "migrations"

# How long one example takes says what else the machine does, not what the code is like.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# A folder in memory, where there is one with room for a few servers, copies a database five times
# as fast as a disk does.
_MEMORY = Path("/dev/shm")  # noqa: S108 - names below it are made by mkdtemp
_ROOM_BYTES = 4 * 1024**3
_PREFIX = "ops-tests-"
TEMPLATE = "template_migrated"
_YOUNG_S = 600
_numbers = itertools.count(1)


# Of half a minute each: begun last, one of them would keep a process after the others ended.
_LONG = ("crash_points", "examples", "lost_database", "new_stage", "going_live")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Replays start first, they are the longest part; then the other long files."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.path.parent.name == "replay":
        return 0
    return 1 if item.path.stem.removeprefix("test_") in _LONG else 2


def pytest_collection_finish() -> None:
    """Tests and modules stay to the end: the garbage collector shall not walk them each time."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return _ByFile(config, log)


# Files that name one of these stay in one process, in which its replay is run once.
_SHARED_REPLAYS = ("killed_days", "lively_day", "generated_morning")


class _ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Shares the tests among processes by file; files that use the same replays stay together."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, _ = nodeid.partition("::")
        return _scope(path)


@cache
def _scope(path: str) -> str:
    if "/replay/" not in path:
        return path
    text = (ROOT / path).read_text(encoding="utf-8")
    return next((name for name in _SHARED_REPLAYS if name in text), path)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server. Not under tmp_path: as root, `nobody` could not get in there."""
    _sweep()
    with servers_folder(_PREFIX) as folder, EmbeddedPostgres(folder, dies_with_us=True) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _no_data_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove what servers of homes below tmp_path keep elsewhere, because `nobody` can't get in.

    Root's alone; what a server still has open is left to it.
    """
    yield
    for pointer in tmp_path_factory.getbasetemp().rglob(MOVED):
        _remove_unused(Path(pointer.read_text().strip()))


@contextmanager
def servers_folder(prefix: str) -> Iterator[Path]:
    """A folder for a server's files, in memory where that has room; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_fast_folder()))
    yield folder
    shutil.rmtree(folder)


def _fast_folder() -> Path:
    try:
        roomy = shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES and os.access(_MEMORY, os.W_OK)
    except OSError:
        roomy = False
    return _MEMORY if roomy else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def admin_db(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """The superuser in the maintenance database."""
    with closing(_login(postgres.url)) as database:
        yield database


@pytest.fixture(scope="session")
def template_urls(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> DatabaseUrls:
    """A database with all migrations applied, by the same code that a user runs."""
    home = tmp_path_factory.mktemp("home")
    admin = local.url_for(postgres.url, database=TEMPLATE)
    with local.opened(home, postgres.url, MIGRATIONS, TEMPLATE) as urls:
        with closing(_login(admin)) as database, database.transaction() as tx:
            # So that no clone starts with the statistics of empty tables.
            tx.execute("ANALYZE")
        return urls


@pytest.fixture
def database_urls(admin_db: Database, template_urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """A migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    local.clone_database(admin_db, TEMPLATE, name)
    yield template_urls.in_database(name)
    local.drop_database(admin_db, name)


@pytest.fixture
def empty_urls(
    admin_db: Database, postgres: EmbeddedPostgres, template_urls: DatabaseUrls
) -> Iterator[DatabaseUrls]:
    """A database of this test's own with the roles' privileges and no table."""
    name = f"test_{next(_numbers)}"
    local.ensure_database(postgres.url, name)
    yield template_urls.in_database(name)
    local.drop_database(admin_db, name)


@pytest.fixture
def owner_db(database_urls: DatabaseUrls) -> Iterator[Database]:
    """The schema's owner in this test's database."""
    with closing(_login(database_urls.owner)) as database:
        yield database


@pytest.fixture
def db(database_urls: DatabaseUrls) -> Iterator[Database]:
    """The writer, as the stages log in, in this test's database."""
    with closing(_login(database_urls.writer)) as database:
        yield database


@pytest.fixture
def reader_target(database_urls: DatabaseUrls) -> ConnectionTarget:
    """The reader, as the SQL console logs in, in this test's database."""
    return target_from_url(database_urls.reader)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recorded real days: OPS_SHARED/data, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("OPS_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"the recorded days are not here: {folder}")
    return folder


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="tests")


def _sweep() -> None:
    """Remove what killed sessions left behind; their servers ended with them.

    A young folder may be another process's that has not locked it yet.
    """
    places = (Path(tempfile.gettempdir()), _MEMORY)
    for folder in itertools.chain.from_iterable(place.glob(f"{_PREFIX}*") for place in places):
        lock = folder / "in_use.lock"
        if not lock.exists() or not os.access(lock, os.W_OK):
            continue
        if time.time() - lock.stat().st_mtime >= _YOUNG_S:
            _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    """Remove a server's folder unless somebody uses it."""
    if not (folder / "in_use.lock").exists():
        return
    with (folder / "in_use.lock").open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(folder, ignore_errors=True)
