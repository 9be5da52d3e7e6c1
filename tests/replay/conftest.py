"""Replayed days: each is run once a session, into an embedded server of the session's own."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops_local.comparison.databases import differences
from ops_local.database import DatabaseUrls
from ops_local.home import Home
from ops_local.pipeline import Tally
from ops_local.postgres.server import EmbeddedPostgres
from ops_local.recordings import recording as recordings
from ops_local.recordings.recording import Recording
from ops_local.replay import ReplayPlan, replay
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment
from ops_local.synthetic import generate
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.runtime.settings import read_broker_keys
from tests.conftest import MIGRATIONS, servers_folder

PARAMS = Path(__file__).parent / "params"

# All of them take minutes: the one with a split in every run, the rest with make slow.
REAL_DAYS = (
    pytest.param("2013-10-07", marks=pytest.mark.slow),
    pytest.param("2013-10-08", marks=pytest.mark.slow),
    pytest.param("2013-10-09", marks=pytest.mark.slow),
    pytest.param("2013-10-10", marks=pytest.mark.slow),
    pytest.param("2013-10-11", marks=pytest.mark.slow),
    pytest.param("2014-06-05", marks=pytest.mark.slow),
    pytest.param("2014-06-06", marks=pytest.mark.slow),
    "2014-06-09",
)


# Of the generated session: by then some trades have won, some lost, and some are open.
MORNING_ENDS = (11, 20)


@dataclass(frozen=True, slots=True)
class Day:
    """A replayed day: what was recorded, what the stages did, what the broker's books say."""

    recording: Recording
    tally: Tally
    broker_tables: dict[str, list[dict[str, Any]]]
    urls: DatabaseUrls

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        database = Database(target_from_url(self.urls.owner), application_name="tests")
        with closing(database), database.transaction() as tx:
            yield tx

    def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        with self.reading() as tx:
            return tx.rows(sql, **values)

    def value(self, sql: str, **values: object) -> Any:
        (row,) = self.rows(sql, **values)
        (value,) = row.values()
        return value


Replay = Callable[..., Day]


def overlay_of(params: str) -> dict[str, Any]:
    overlay: dict[str, Any] = json.loads((PARAMS / params).read_text())
    return overlay


def assert_the_same(once: Day, again: Day) -> None:
    """No failure, and the same rows here and at the broker."""
    assert once.tally.failures == again.tally.failures == []
    assert differences(once.urls, again.urls) == []
    assert once.broker_tables == again.broker_tables


@contextmanager
def server_home() -> Iterator[Home]:
    """A state folder with a server that runs until the block ends."""
    with (
        servers_folder("ops-replays-") as folder,
        EmbeddedPostgres(folder / "postgres", dies_with_us=True),
    ):
        yield Home(folder)


def run_day(
    home: Home,
    recording: Recording,
    *,
    params: str | Mapping[str, Any] | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    watch: Callable[[datetime], None] = lambda _at: None,
) -> Day:
    """Replay (a part of) a day into a new database of that home; `params`: a file's or its own."""
    overlay = overlay_of(params) if isinstance(params, str) else params
    plan = ReplayPlan(recording, home, MIGRATIONS, overlay=overlay)
    plan = replace(plan, first=first, last=last)
    done = replay(plan, lambda at, _tally: watch(at), after=lambda urls: urls)
    return Day(recording, done.tally, done.broker_tables, done.result)


def broker_books(world: ReplayEnvironment, name: str) -> BrokerRecords:
    """What the broker of a replay has of an account."""
    (account,) = [known for known in ACCOUNTS if known.name == name]
    keys = read_broker_keys(world.variables, name)
    number = account.account_number
    broker = AlpacaBroker(world.exchange.url, keys.key_id, keys.secret_key, number)
    since = world.exchange.now() - timedelta(days=1)
    return BrokerRecords(
        orders=broker.orders_since(since),
        positions=broker.positions(),
        fills=broker.fills_since(since),
    )


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    with server_home() as made:
        yield made


@pytest.fixture(scope="session")
def replayed(home: Home, shared_data: Path) -> Replay:
    """`replayed("2013-10-07", "lively.json", until=(10, 50))`: that day so, run once."""
    done: dict[tuple[str, str | None, tuple[int, int] | None], Day] = {}

    def run(day: str, params: str | None = None, until: tuple[int, int] | None = None) -> Day:
        key = (day, params, until)
        if key not in done:
            recording = recordings.load(shared_data / day)
            last = new_york_time(recording.day, *until) if until else None
            done[key] = run_day(home, recording, params=params, last=last)
        return done[key]

    return run


@pytest.fixture(scope="session")
def generated_morning(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Eight tickers, news included, to 11:20: trades that won, lost and are still open."""
    recording = generate(tmp_path_factory.mktemp("recordings") / "morning", n_tickers=8)
    last = new_york_time(recording.day, *MORNING_ENDS)
    return run_day(home, recording, params="lively.json", last=last)


@pytest.fixture(scope="session")
def lively_day(home: Home, shared_data: Path) -> Day:
    """A real day with livelier figures that ends at noon: no entry after 11:45, all sold at 12."""
    recording = recordings.load(shared_data / "2013-10-07")
    overlay = overlay_of("lively.json")
    overlay["gates"]["last_entry_minutes"] = 255
    overlay["exits"]["session_end_minutes"] = 240
    last = new_york_time(recording.day, 12, 15)
    return run_day(home, recording, params=overlay, last=last)
