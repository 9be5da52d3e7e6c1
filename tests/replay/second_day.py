"""Two sessions through the real machines: the world, and the script of what happens when.

Two accounts of one deployment at one paper exchange whose store goes on. What is held over night
was held before and is adopted by a command; entries come from signals and from ideas of the script.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_local import database as databases
from ops_local import paper_accounts
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange, start
from ops_local.feeds.server import FeedServer
from ops_local.home import Home
from ops_local.pipeline import Pipeline, ReplayClock, Tally
from ops_local.recordings.recording import Recording
from ops_local.replay_environment import ACCOUNTS, OWNER, variables
from ops_pipeline.adapters import alpaca_wire
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.bounds.rate_limit import Pause
from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.domain.market import NEW_YORK, new_york_time
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating import feed_setup, watching
from tests.conftest import MIGRATIONS
from tests.replay import two_days
from tests.replay.two_days import FIRST, SECOND, Minute

BEGINS, ENDS = (8, 25), (16, 25)
MOST_LOSS = Decimal(400)
LIMITS = {"max_positions": 10, "max_exposure": "90000", "max_daily_loss": f"{MOST_LOSS}"}
# By account and symbol, what was there before: shares, what one cost, what they are adopted as.
HELD = {
    ("large", two_days.SPLIT): ("40", "231", "swing"),
    ("large", two_days.RENAMED): ("10", "588", "swing"),
    ("large", two_days.PAYING): ("65", "412", "swing"),
    ("large", two_days.HALTED_HELD): ("20", "224", "swing"),
    ("tiny", two_days.SPLIT): ("5", "231", "day_trade"),
}
DIVIDEND = "6.50"
# Bought when its answer is lost, a minute before an hour in which nothing is answered.
UNKNOWN = "SPY"
SILENT_FROM, SILENT_UNTIL, RETRY_AFTER_S = (10, 52), (11, 52), 30
OVERLAY: Mapping[str, Any] = {
    "watchlist": {"enter_score": 0.2, "leave_score": 0.1},
    "signals": {
        "stock_confidence": 0.2,
        "volume_steps": [{"under": 0.5, "multiplier": 0.5}, {"under": 2.0, "multiplier": 1.0}],
        "most_volume_multiplier": 1.2,
        "without_breakout": 0.9,
    },
    "gates": {"minimum_confidence": 0.2, "entries_per_ticker": 6},
    "exits": {"day_trade_minutes": 30},
}
_IDEA = """
INSERT INTO dispatch_recommendations
    (id, ts, created_at, account_name, ticker, action, instrument_type, strategy_type, confidence,
     reason, status, features_snapshot, parameter_version)
SELECT coalesce(max(id), 0) + 1, :at, :at, :account, :ticker, 'BUY', 'STOCK', 'day_trade', 0.9,
       '{"summary": "an idea of the script"}', 'PENDING', '{}',
       (SELECT max(version) FROM parameter_versions)
FROM dispatch_recommendations
"""
_POSITIONS = "SELECT * FROM active_positions WHERE status <> 'closed' ORDER BY account_name, symbol"
# What must never change again.
KEPT = {
    "fills": "SELECT * FROM fills ORDER BY fill_id",
    "position_history": "SELECT * FROM position_history ORDER BY id",
    "orders": "SELECT * FROM orders WHERE NOT is_live(status) ORDER BY client_order_id",
}

Rows = list[dict[str, Any]]


@dataclass
class TwoDays:
    """The deployment, and what became of it.

    Attributes:
        kept: What was final at the end of the first day, by the names of KEPT.
        positions: Those that were open at some moments.
        live: The orders that were live at the exchange at some of these.
        injected: Faults of the exchange by kind.
        breaches: Of invariants, at the end of each day.
        books: What the broker had of each account in the end.
    """

    urls: DatabaseUrls
    clock: ReplayClock
    folder: Path
    recordings: Mapping[date, Recording]
    tally: Tally = field(default_factory=Tally)
    kept: dict[str, Rows] = field(default_factory=dict)
    positions: dict[str, Rows] = field(default_factory=dict)
    live: dict[str, Rows] = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)
    breaches: dict[date, list[str]] = field(default_factory=dict)
    books: dict[str, BrokerRecords] = field(default_factory=dict)

    def rows(self, sql: str, **values: object) -> Rows:
        with self.transaction() as tx:
            return tx.rows(sql, **values)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        database = Database(target_from_url(self.urls.owner), application_name="tests")
        with closing(database), database.transaction() as tx:
            yield tx

    def check(self, day: date) -> None:
        with self.transaction() as tx:
            found = invariants.check(tx, now=self.clock.now(), broker=self.books)
        self.breaches[day] = [str(breach) for breach in found]


@dataclass
class Session:
    """One day's exchange, feeds and machines."""

    world: TwoDays
    day: date
    exchange: RunningExchange
    served: FeedServer
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(tally=self.world.tally, wait=self._wait)

    def play(self, script: "Script") -> None:
        ends = new_york_time(self.day, *ENDS)
        script.at(BEGINS)
        for tick in ticks(load_schedules(), self.world.clock.at, ends):
            if tick.at > self.world.clock.at:
                self.move(tick.at)
                local = tick.at.astimezone(NEW_YORK)
                script.at((local.hour, local.minute))
            self.pipeline.run(tick)
        self.move(ends)
        self.world.books = {account.name: self._books(account.name) for account in ACCOUNTS}
        self.world.check(self.day)
        script.ended()

    def move(self, to: datetime) -> None:
        """The exchange first: it fills resting orders on the way."""
        self.exchange.set_clock(to)
        self.world.clock.at = to

    def _wait(self, seconds: float) -> None:
        self.move(self.world.clock.at + timedelta(seconds=seconds))

    def command(self, action: str, **values: object) -> None:
        """As an operator's verb sends it to a deployment."""
        said = {"operator": "ann", "reason": "the second real day"}
        self.pipeline.invoke("control", {"action": action, **said, **values})

    def live_orders(self) -> Rows:
        orders = self.exchange.tables()["orders"]
        return [it for it in orders if it["status"] in ("accepted", "new", "partially_filled")]

    def _books(self, name: str) -> BrokerRecords:
        (account,) = [it for it in ACCOUNTS if it.name == name]
        broker = AlpacaBroker(
            self.exchange.url, account.key_id, account.secret_key, account.account_number
        )
        since = new_york_time(FIRST, 0)
        return BrokerRecords(
            orders=broker.orders_since(since),
            positions=broker.positions(),
            fills=broker.fills_since(since),
        )


@contextmanager
def played(home: Home, folder: Path) -> Iterator[TwoDays]:
    """Both days, and the database as they left it."""
    recordings = {day: two_days.written(folder / f"{day}", day) for day in (FIRST, SECOND)}
    clock = ReplayClock(new_york_time(FIRST, *BEGINS))
    with databases.opened(home.folder, None, MIGRATIONS, "second_day", fresh=True) as urls:
        world = TwoDays(urls, clock, folder, recordings)
        for day, script in ((FIRST, FirstScript), (SECOND, SecondScript)):
            with _opened(world, day) as session:
                session.play(script(session))
        yield world


@contextmanager
def _opened(world: TwoDays, day: date) -> Iterator[Session]:
    """Start one day at its first minute; the exchange carries out what the night brought."""
    recording, store = world.recordings[day], world.folder / "exchange.sqlite"
    with ExitStack() as stack:
        exchange = stack.enter_context(
            start(recording.folder, store, ACCOUNTS, world.folder / "exchange.log")
        )
        served = stack.enter_context(FeedServer(recording, world.clock.now))
        written = stack.enter_context((world.folder / "pipeline.log").open("a", encoding="utf-8"))
        stack.enter_context(log.written_to(written))
        runtime = Runtime(variables(world.urls, exchange.url, served), world.clock, owner=OWNER)
        stack.enter_context(closing(runtime))
        wiring.use(runtime)
        stack.callback(wiring.use, None)
        stack.enter_context(_pauses_by(world.clock))
        session = Session(world, day, exchange, served)
        session.move(new_york_time(day, *BEGINS))
        if day == FIRST:
            _set_up(world, recording, served)
        yield session


@contextmanager
def _pauses_by(clock: ReplayClock) -> Iterator[None]:
    """Pauses that a server asks for pass by the clock of the days; nobody waits for one."""
    pause = partial(Pause, now=lambda: clock.now().timestamp(), rest=lambda _seconds: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(alpaca_wire, "Pause", pause)
        yield


def _set_up(world: TwoDays, recording: Recording, served: FeedServer) -> None:
    now = world.clock.now()
    offered = [FeedSpec(url, source) for source, url in sorted(served.feeds.items())]
    rules = parameters.overlay(Parameters(), dict(OVERLAY))
    with world.transaction() as tx:
        watching.watch_only(tx, recording.tickers)
        feed_setup.apply(tx, feed_setup.plan_exactly(tx, offered), now)
        parameters.activate(tx, rules, source="overlay", now=now)
        paper_accounts.bind(tx, ACCOUNTS, now)


@dataclass
class Script:
    """What happens at which minute of one day, before that minute's ticks."""

    session: Session
    timetable: ClassVar[Mapping[Minute, Sequence[str]]] = {}

    def at(self, minute: Minute) -> None:
        for step in self.timetable.get(minute, ()):
            getattr(self, step)()

    def ended(self) -> None:
        """After the day's last minute."""

    def look(self, name: str) -> None:
        world = self.session.world
        world.positions[name] = world.rows(_POSITIONS)
        world.live[name] = self.session.live_orders()

    def idea(self, ticker: str) -> None:
        """One for `large`, beside those of the signals."""
        world = self.session.world
        with world.transaction() as tx:
            tx.execute(_IDEA, at=world.clock.now(), account="large", ticker=ticker)


class FirstScript(Script):
    """Swings are adopted; one day trade cannot be sold before the close."""

    timetable: ClassVar = {
        BEGINS: ("behave", "hold", "limit"),
        (9, 36): ("adopt_swings",),
        (12, 20): ("adopt_day_trades",),
        (12, 30): ("announce",),
        (12, 45): ("halt_unlisted",),
    }

    def behave(self) -> None:
        """As Alpaca does with a plan for one venue; and orders that rest stay as they are."""
        exchange = self.session.exchange
        exchange.set_behaviour("bar_publication", "late_and_recalculated")
        exchange.set_behaviour("venue", "one_venue")
        exchange.set_behaviour("gtc_over_split", "left")

    def hold(self) -> None:
        for (account, symbol), (shares, cost, _) in HELD.items():
            self.session.exchange.add_holding(account, symbol, shares, cost)

    def limit(self) -> None:
        self.session.command("limit_account", account="large", limits=LIMITS)

    def adopt_swings(self) -> None:
        self._adopt("swing")

    def adopt_day_trades(self) -> None:
        self._adopt("day_trade")

    def _adopt(self, wanted: str) -> None:
        for (account, symbol), (_, _, use) in HELD.items():
            if use == wanted:
                self.session.command("adopt_holding", account=account, symbol=symbol, use=use)

    def announce(self) -> None:
        add, day = self.session.exchange.add_corporate_action, SECOND.isoformat()
        add("forward_split", two_days.SPLIT, day, old_rate="1", new_rate="2")
        add("name_change", two_days.RENAMED, day, new_symbol=two_days.RENAMED_TO)
        add("cash_dividend", two_days.PAYING, day, cash=DIVIDEND, payable_date="2004-01-15")

    def halt_unlisted(self) -> None:
        """As the session's end sells day trades; no list is on."""
        self.session.exchange.set_halt(two_days.SPLIT, halted=True)

    def ended(self) -> None:
        self.look("evening")
        for name, sql in KEPT.items():
            self.session.world.kept[name] = self.session.world.rows(sql)


class SecondScript(Script):
    """Halts that lists tell of, ideas in and after them, and an hour without answers."""

    timetable: ClassVar = {
        BEGINS: ("resume_split", "read_halt_lists"),
        (9, 29): ("look_before_open",),
        (10, 27): ("idea_in_held_halt",),
        (10, 33): ("idea_in_free_halt",),
        (10, 39): ("idea_in_a_gap",),
        (10, 41): ("idea_in_held_halt",),
        (10, 43): ("idea_in_free_halt",),
        (10, 45): ("idea_in_held_halt",),
        (10, 48): ("idea_in_free_halt",),
        (10, 51): ("lose_an_answer",),
        SILENT_FROM: ("answer_nothing",),
        SILENT_UNTIL: ("answer_again",),
        (11, 54): ("look_after_silence",),
        (12, 0): ("close_split",),
    }

    def resume_split(self) -> None:
        self.session.exchange.set_halt(two_days.SPLIT, halted=False)

    def read_halt_lists(self) -> None:
        lists = self.session.served.halts.items()
        feeds = [{"url": url, "source": kind, "kind": kind} for kind, url in lists]
        self.session.command("feeds", feeds={"change": "add", "feeds": feeds})

    def look_before_open(self) -> None:
        self.look("before the open")

    def idea_in_held_halt(self) -> None:
        self.idea(two_days.HALTED_HELD)

    def idea_in_free_halt(self) -> None:
        self.idea(two_days.HALTED_FREE)

    def idea_in_a_gap(self) -> None:
        self.idea(two_days.THIN)

    def lose_an_answer(self) -> None:
        """An entry is taken, and what came of it can't be asked."""
        self.idea(UNKNOWN)
        self._fail(
            {"kind": "reply_lost", "requests": "POST /v2/orders", "account": "large", "times": 1},
            {"kind": "server_error", "requests": "GET /v2/orders:by_client_order_id"},
        )

    def answer_nothing(self) -> None:
        self._fail({"kind": "too_many_requests", "retry_after_s": RETRY_AFTER_S})

    def answer_again(self) -> None:
        self._fail()

    def _fail(self, *rules: Mapping[str, Any]) -> None:
        self.session.world.injected.update(self.session.exchange.faults_injected())
        self.session.exchange.set_faults(rules)

    def look_after_silence(self) -> None:
        self.look("after the silence")

    def close_split(self) -> None:
        self.session.command("close", account="large", ticker=two_days.SPLIT)
