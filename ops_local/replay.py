"""Runs a recorded day through the whole pipeline: its clock, its market, the paper exchange."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_local import database as databases
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import Account, RunningExchange, start
from ops_local.feed_server import FeedServer
from ops_local.home import Home
from ops_local.pipeline import Pipeline, ReplayClock, Tally
from ops_local.recording import Recording
from ops_pipeline.db import feeds, parameters, runs, tickers
from ops_pipeline.db.connection import Database, Transaction, target_from_url
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime

T = TypeVar("T")

# From before the first machine of a session (daily_cycle, 08:30) to after the last (16:20).
_FIRST = (8, 25)
_LAST = (16, 25)

# Who holds the leases: a dead replay's are taken over at once by the next one.
OWNER = "local"

# Paper accounts of the replay; these keys open nothing but its own exchange.
ACCOUNTS = (
    Account("large", "PAPER-LARGE", "replay-large", "replay", Decimal(30_000)),
    Account("tiny", "PAPER-TINY", "replay-tiny", "replay", Decimal(2_000)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay, where to, and with which figures.

    Attributes:
        overlay: Parameters that replace the defaults, by section and name.
        database_url: A login that may make roles and databases; None: the embedded server.
        first, last: Bounds of the ticks, UTC; None: the whole trading day.
    """

    recording: Recording
    home: Home
    migrations: Path
    overlay: Mapping[str, Any] | None = None
    database_url: str | None = None
    first: datetime | None = None
    last: datetime | None = None

    @property
    def name(self) -> str:
        """The same day with the same figures has the same name."""
        figures = json.dumps(self.overlay or {}, sort_keys=True)
        mark = hashlib.sha256(figures.encode()).hexdigest()[:6]
        synthetic = "generated" if self.recording.synthetic else "recorded"
        return f"{synthetic}_{self.recording.day:%Y%m%d}" + (f"_{mark}" if self.overlay else "")


@dataclass(frozen=True, slots=True)
class Replayed(Generic[T]):
    """A finished replay: what every stage did, the broker's books, and `after`'s answer."""

    tally: Tally
    books: dict[str, list[dict[str, Any]]]
    result: T


def bounds(plan: Plan) -> tuple[datetime, datetime]:
    """The first tick and the end of the last, UTC."""
    day = plan.recording.day
    return plan.first or new_york_time(day, *_FIRST), plan.last or new_york_time(day, *_LAST)


def replay(
    plan: Plan,
    watch: Callable[[datetime, Tally], None],
    after: Callable[[DatabaseUrls], T],
) -> Replayed[T]:
    """Run every tick of the day in order.

    Args:
        plan: What to replay.
        watch: Called after each minute with its time and what was done so far.
        after: Called at the end, while the database still runs.

    Raises:
        InvalidInput: the overlay names no parameter, or the database holds runs already.
    """
    with _world(plan) as world:
        for tick in ticks(load_schedules(), *bounds(plan)):
            world.advance(tick.at, watch)
            world.pipeline.run(tick)
        watch(world.clock.now(), world.pipeline.tally)
        return Replayed(world.pipeline.tally, world.exchange.books(), after(world.urls))


@dataclass
class _World:
    """Everything that runs while a replay does."""

    urls: DatabaseUrls
    exchange: RunningExchange
    clock: ReplayClock
    pipeline: Pipeline

    def advance(self, to: datetime, watch: Callable[[datetime, Tally], None]) -> None:
        """Move both clocks, the exchange's first: it fills what rests on the way."""
        if to == self.clock.at:
            return
        watch(self.clock.at, self.pipeline.tally)
        self.exchange.set_clock(to)
        self.clock.at = to


@contextmanager
def _world(plan: Plan) -> Iterator[_World]:
    begins, _ = bounds(plan)
    folder = plan.home.replay(plan.name)
    clock = ReplayClock(begins)
    store = folder / "exchange.sqlite"
    for left_over in folder.glob("exchange.sqlite*"):
        left_over.unlink()
    with ExitStack() as stack:
        urls = stack.enter_context(_database(plan))
        exchange = stack.enter_context(
            start(plan.recording.folder, store, ACCOUNTS, folder / "exchange.log")
        )
        exchange.set_clock(begins)
        served = stack.enter_context(FeedServer(plan.recording, clock.now))
        written = stack.enter_context((folder / "pipeline.log").open("w", encoding="utf-8"))
        stack.enter_context(log.written_to(written))
        runtime = Runtime(variables(urls, exchange.url, served), clock, owner=OWNER)
        stack.enter_context(closing(runtime))
        with runtime.database.transaction() as tx:
            _prepare(tx, plan, served, begins)
        wiring.use(runtime)
        stack.callback(wiring.use, None)
        yield _World(urls, exchange, clock, Pipeline())


@contextmanager
def _database(plan: Plan) -> Iterator[DatabaseUrls]:
    """A new database for the replay; one that the user named must hold no runs."""
    if plan.database_url is None:
        opened = databases.opened(plan.home.folder, None, plan.migrations, plan.name, fresh=True)
    else:
        opened = databases.opened(plan.home.folder, plan.database_url, plan.migrations)
    with opened as urls:
        _require_no_runs(urls)
        if plan.database_url is None:
            plan.home.make_current(plan.name)
        yield urls


def _require_no_runs(urls: DatabaseUrls) -> None:
    database = Database(target_from_url(urls.writer), application_name=OWNER)
    with closing(database), database.transaction() as tx:
        if tx.one("SELECT 1 AS found FROM pipeline_runs LIMIT 1"):
            raise InvalidInput("--database-url: this database holds runs; give an empty one")


def variables(urls: DatabaseUrls, exchange_url: str, served: FeedServer) -> dict[str, str]:
    """The environment that the handlers see: as in AWS, with the replay's addresses."""
    keys = {
        f"ALPACA_{account.name.upper()}_{name}": value
        for account in ACCOUNTS
        for name, value in (
            ("KEY_ID", account.key_id),
            ("SECRET_KEY", account.secret_key),
            ("ACCOUNT_NUMBER", account.account_number),
        )
    }
    return {
        "DATABASE_URL": urls.writer,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_READER_URL": urls.reader,
        "ALPACA_TRADING_URL": exchange_url,
        "ALPACA_DATA_URL": exchange_url,
        "VIX_URL": served.vix_url,
        "FEED_PROXY_URL": served.proxy_url,
        "OPS_DEPLOYMENT": "replay",
        **keys,
    }


def _prepare(tx: Transaction, plan: Plan, served: FeedServer, now: datetime) -> None:
    """Watch the recording's tickers, subscribe its feeds, put the figures in force."""
    runs.abandon_owner(tx, owner=OWNER, now=now)
    tickers.watch_only(tx, plan.recording.tickers)
    for name, url in sorted(served.feeds.items()):
        feeds.subscribe(tx, url=url, source=name)
    parameters.activate(tx, Parameters(), source="default", now=now)
    if plan.overlay:
        changed = parameters.overlay(Parameters(), dict(plan.overlay))
        parameters.activate(tx, changed, source="overlay", now=now)
