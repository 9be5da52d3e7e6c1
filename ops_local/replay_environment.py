"""Everything a replay runs besides the handlers: database, paper exchange, feeds and clock."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops_local import database as databases
from ops_local import paper_accounts
from ops_local.database import DatabaseUrls
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.conditions import BehaviourName
from ops_local.exchange.launcher import PaperAccount, RunningExchange, start
from ops_local.feeds.server import FeedServer
from ops_local.home import Home
from ops_local.pipeline import Pipeline, ReplayClock, Tally
from ops_local.recordings.recording import Recording
from ops_local.recordings.tables import bytes_of
from ops_pipeline.db import parameters, runs
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.domain.market import minute_of, new_york_time
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating import feed_setup, watching

Watch = Callable[[datetime, Tally], None]

# From before the first machine of a session (daily_cycle, 08:30) to after the last (16:20).
_FIRST = (8, 25)
_LAST = (16, 25)

# The owner of leases: the next replay takes over those of a dead one at once.
OWNER = "local"
# A row in one of these says that somebody set the database up, or works in it.
_WORK = ("operator_actions", "pipeline_runs", "orders", "inbound_events_raw")

# Of the replay's exchange. Bars come as late as the vendor's (decision 67).
BEHAVIOURS: Mapping[BehaviourName, str] = {"bar_publication": "late", "fees": "at_day_end"}

# Paper accounts of the replay; these keys work only at its own exchange.
ACCOUNTS = (
    PaperAccount("large", "PAPER-LARGE", "replay-large", "replay", Decimal(30_000)),
    PaperAccount("tiny", "PAPER-TINY", "replay-tiny", "replay", Decimal(2_000)),
)


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """The first tick of a whole trading day and the end of its last, UTC."""
    return new_york_time(day, *_FIRST), new_york_time(day, *_LAST)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay, into which database, and with which parameters.

    Attributes:
        migrations: Folder of the schema's migrations.
        overlay: Parameters that replace the defaults, by section and name.
        database_url: A login that may make roles and databases; None: the embedded server.
        first, last: Bounds of the ticks, UTC; None: the whole trading day.
        paced: Played by `ops up`, in a database of its own.
        deployment: Part of each order's id.
    """

    recording: Recording
    home: Home
    migrations: Path
    overlay: Mapping[str, Any] | None = None
    database_url: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    paced: bool = False
    deployment: str = "replay"

    @property
    def name(self) -> str:
        """The same recording with the same parameters has the same name.

        The short one belongs to the recording that had it first; another recording of that day
        is told apart by its content.
        """
        mark = hashlib.sha256(self._figures).hexdigest()[:6]
        kind = "generated" if self.recording.synthetic else "recorded"
        played = "played_" if self.paced else ""
        short = f"{played}{kind}_{self.recording.day:%Y%m%d}" + (f"_{mark}" if self.overlay else "")
        owner = self.home.recording_of(short)
        return short if owner in (None, self.content) else f"{short}_{self.content[:6]}"

    @property
    def content(self) -> str:
        """sha256 of the recording's files, with their names."""
        digest = hashlib.sha256()
        for file in sorted(self.recording.folder.rglob("*")):
            if file.is_file():
                digest.update(file.name.encode() + bytes_of(file))
        return digest.hexdigest()

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that determines the result: only the same replay is resumed."""
        digest = hashlib.sha256(self._figures)
        digest.update(f"{self.content} {self.bounds} {bool(self.database_url)}".encode())
        return digest.hexdigest()

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first tick and the end of the last, UTC."""
        first, last = bounds_of(self.recording.day)
        return self.first or first, self.last or last

    @property
    def _figures(self) -> bytes:
        return json.dumps(self.overlay or {}, sort_keys=True).encode()


@dataclass
class ReplayEnvironment:
    """What runs during a replay.

    Attributes:
        resumed: This replay was started before and did not finish.
        variables: The handlers' environment; keys are read from it whenever they are needed.
    """

    urls: DatabaseUrls
    exchange: RunningExchange
    clock: ReplayClock
    pipeline: Pipeline
    resumed: bool
    variables: dict[str, str]

    def advance(self, to: datetime, watch: Watch) -> None:
        """Move both clocks, the exchange's first: it fills resting orders on the way."""
        if to <= self.clock.at:
            return
        watch(minute_of(self.clock.at), self.pipeline.tally)
        _move(self.exchange, self.clock, to)


def _move(exchange: RunningExchange, clock: ReplayClock, to: datetime) -> None:
    exchange.set_clock(to)
    clock.at = to


@contextmanager
def opened(plan: ReplayPlan) -> Iterator[ReplayEnvironment]:
    """Start database, exchange and feeds, or resume a replay that was interrupted.

    It resumes at the minute of the exchange's clock, which moves first: every tick may be
    run again.
    """
    plan.home.keep_recording(plan.name, plan.content)
    folder = plan.home.replay(plan.name)
    marker = folder / "unfinished.json"
    resumed = _unfinished(marker) == plan.fingerprint
    if not resumed:
        for left_over in folder.glob("exchange.sqlite*"):
            left_over.unlink()
    with ExitStack() as stack:
        urls = stack.enter_context(_database(plan, resumed=resumed))
        marker.write_text(json.dumps({"fingerprint": plan.fingerprint}) + "\n")
        exchange = stack.enter_context(
            start(
                plan.recording.folder,
                folder / "exchange.sqlite",
                ACCOUNTS,
                folder / "exchange.log",
            )
        )
        for name, value in BEHAVIOURS.items():
            exchange.set_behaviour(name, value)
        clock = ReplayClock(_begin(plan, exchange, resumed=resumed))
        served = stack.enter_context(FeedServer(plan.recording, clock.now))
        written = stack.enter_context(
            (folder / "pipeline.log").open("a" if resumed else "w", encoding="utf-8")
        )
        stack.enter_context(log.written_to(written))
        handlers_see = {**variables(urls, exchange.url, served), "OPS_DEPLOYMENT": plan.deployment}
        runtime = Runtime(handlers_see, clock, owner=OWNER)
        stack.enter_context(closing(runtime))
        with runtime.database.transaction() as tx:
            _prepare(tx, plan, served, clock.at)
        wiring.use(runtime)
        stack.callback(wiring.use, None)
        pipeline = Pipeline(
            wait=lambda seconds: _move(exchange, clock, clock.at + timedelta(seconds=seconds))
        )
        yield ReplayEnvironment(urls, exchange, clock, pipeline, resumed, handlers_see)
        # Reached only without an error: a replay that failed or was stopped is resumed next time.
        marker.unlink()
        if plan.database_url is None:
            plan.home.make_current(plan.name)


def variables(urls: DatabaseUrls, exchange_url: str, served: FeedServer) -> dict[str, str]:
    """The handlers' environment: as in AWS, with the replay's addresses."""
    return {
        **urls.variables(),
        "ALPACA_TRADING_URL": exchange_url,
        "ALPACA_DATA_URL": exchange_url,
        "VIX_URL": served.vix_url,
        "FEED_PROXY_URL": served.proxy_url,
        # Its server is this process.
        "FEED_HOST_INTERVAL_S": "0",
        # The volatility index comes from this machine too.
        "FEED_ALLOWED_NETWORKS": "127.0.0.0/8",
        "OPS_DEPLOYMENT": "replay",
        "BROKER_READ_AFTER_WRITE": "true",
        **key_variables(ACCOUNTS),
    }


def _unfinished(marker: Path) -> str | None:
    """The fingerprint of the replay that did not finish; None if the marker was cut off too."""
    try:
        return str(json.loads(marker.read_text(encoding="utf-8"))["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _begin(plan: ReplayPlan, exchange: RunningExchange, *, resumed: bool) -> datetime:
    first, _ = plan.bounds
    if resumed:
        first = max(first, exchange.now())
    exchange.set_clock(first)
    return first


@contextmanager
def _database(plan: ReplayPlan, *, resumed: bool) -> Iterator[DatabaseUrls]:
    """The replay's own database; one that the user named must be nobody's yet."""
    if plan.database_url is None:
        if not resumed:
            plan.home.forget_current(plan.name)
        context = databases.opened(
            plan.home.folder, None, plan.migrations, plan.name, fresh=not resumed
        )
    else:
        context = databases.opened(plan.home.folder, plan.database_url, plan.migrations)
    with context as urls:
        if plan.database_url is not None and not resumed:
            _require_unused(urls)
        yield urls


def _require_unused(urls: DatabaseUrls) -> None:
    """A replay changes feeds, tickers and parameters, and binds accounts to its own exchange."""
    database = Database(target_from_url(urls.writer), application_name=OWNER)
    with closing(database), database.transaction() as tx:
        if any(tx.one(f"SELECT 1 AS found FROM {table} LIMIT 1") for table in _WORK):
            raise InvalidInput("--database-url: somebody works in this database; give an empty one")


def _prepare(tx: Transaction, plan: ReplayPlan, served: FeedServer, now: datetime) -> None:
    """Watch the recording's tickers, subscribe to its feeds, activate the parameters, bind."""
    runs.abandon_owner(tx, owner=OWNER, now=now)
    watching.watch_only(tx, plan.recording.tickers)
    offered = [FeedSpec(url, source) for source, url in sorted(served.feeds.items())]
    offered += [FeedSpec(url, kind, kind=kind) for kind, url in sorted(served.halts.items())]
    feed_setup.apply(tx, feed_setup.plan_exactly(tx, offered), now)
    first, _ = plan.bounds
    parameters.activate(tx, Parameters(), source="default", now=first)
    paper_accounts.bind(tx, ACCOUNTS, first)
    if plan.overlay:
        changed = parameters.overlay(Parameters(), dict(plan.overlay))
        parameters.activate(tx, changed, source="overlay", now=first)
