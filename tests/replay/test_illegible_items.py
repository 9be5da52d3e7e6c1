"""A session in which the exchange makes one item illegible for ten minutes, each kind in turn.

Meanwhile everything else goes on and an alert names the item; afterwards all of it is booked.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_local.home import Home
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment, ReplayPlan, opened
from ops_local.synthetic import generate
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.runtime.settings import read_broker_keys
from tests.conftest import MIGRATIONS
from tests.replay.conftest import PARAMS

# Each for ten minutes, and five in peace after it: (kind of fault, kind of item).
SWITCHES = {
    "illegible_quote": "quote",
    "illegible_order": "order",
    "illegible_position": "position",
    "illegible_activity": "fill",
    "illegible_bar": "bar",
}
LASTS, PEACE = timedelta(minutes=10), timedelta(minutes=5)
FIRST, ENDS = (10, 25), (11, 55)
TICKERS = 8


@dataclass
class Observed:
    """What was seen of one switch, from when it was on to just before the next one."""

    on: datetime
    injected: int = 0
    alerts: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    bars: dict[str, int] = field(default_factory=dict)
    marked: Counter[str] = field(default_factory=Counter)
    unmarked: Counter[str] = field(default_factory=Counter)
    stages: dict[str, int] = field(default_factory=dict)


@dataclass
class Session:
    observed: dict[str, Observed]
    breaches: list[str]
    trades: int
    unbooked: list[dict[str, Any]]
    open_alerts: list[dict[str, Any]]


def _observe(db: Database, seen: Observed) -> None:
    until = seen.on + LASTS
    window = {"since": seen.on, "until": until}
    seen.bars = {
        row["ticker"]: row["n"]
        for row in db.read(
            "SELECT ticker, count(*) AS n FROM lane_telemetry"
            " WHERE ts >= :since AND ts < :until GROUP BY ticker",
            since=seen.on - timedelta(minutes=1),
            until=until - timedelta(minutes=1),
        )
    }
    seen.stages = {
        row["stage"]: row["n"]
        for row in db.read(
            "SELECT stage, count(DISTINCT tick) AS n FROM pipeline_runs"
            " WHERE tick >= :since AND tick < :until AND status = 'succeeded' GROUP BY stage",
            **window,
        )
    }


def _held(db: Database) -> set[str]:
    rows = db.read("SELECT account_name, symbol FROM active_positions WHERE status = 'open'")
    return {f"{row['account_name']} {row['symbol']}" for row in rows}


def _marked(db: Database, at: datetime) -> set[str]:
    rows = db.read(
        "SELECT p.account_name, p.symbol FROM position_telemetry AS t"
        " JOIN active_positions AS p ON p.id = t.position_id WHERE t.ts = :at",
        at=at,
    )
    return {f"{row['account_name']} {row['symbol']}" for row in rows}


def _alerts(db: Database) -> list[dict[str, Any]]:
    return db.read("SELECT kind, scope, subject, severity FROM alerts WHERE resolved_at IS NULL")


def _play(world: ReplayEnvironment, db: Database, day: Any) -> dict[str, Observed]:
    observed: dict[str, Observed] = {}
    at = new_york_time(day, *FIRST)
    starts = {at + (LASTS + PEACE) * number: kind for number, kind in enumerate(SWITCHES)}
    for tick in ticks(load_schedules(), world.clock.now(), new_york_time(day, *ENDS)):
        world.advance(tick.at, lambda _at, _tally: None)
        if (kind := starts.get(tick.at)) is not None and kind not in observed:
            observed[kind] = Observed(tick.at)
            world.exchange.set_faults([{"kind": kind, "minutes": 10}], seed=1)
        guards = tick.target == "position_cycle"
        before = _held(db) if guards else set()
        world.pipeline.run(tick)
        stayed = before & _held(db) if guards else set()
        marked = _marked(db, tick.at) if guards else set()
        for kind, seen in observed.items():
            if seen.on <= tick.at < seen.on + LASTS:
                seen.alerts += _alerts(db)
                seen.injected = world.exchange.faults_injected().get(kind, 0)
                seen.marked.update(stayed & marked)
                seen.unmarked.update(stayed - marked)
            elif tick.at == seen.on + LASTS + PEACE - timedelta(minutes=1):
                seen.left = _alerts(db)
    for seen in observed.values():
        _observe(db, seen)
    return observed


def _breaches(world: ReplayEnvironment) -> list[str]:
    books = {}
    for account in ACCOUNTS:
        keys = read_broker_keys(world.variables, account.name)
        broker = AlpacaBroker(
            world.exchange.url, keys.key_id, keys.secret_key, account.account_number
        )
        since = world.exchange.now() - timedelta(days=1)
        books[account.name] = BrokerRecords(
            orders=broker.orders_since(since),
            positions=broker.positions(),
            fills=broker.fills_since(since),
        )
    database = Database(target_from_url(world.urls.writer), application_name="tests")
    with closing(database), database.transaction() as tx:
        found = invariants.check(tx, now=world.clock.now(), broker=books)
    return [str(breach) for breach in found]


@pytest.fixture(scope="module")
def session(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    recording = generate(tmp_path_factory.mktemp("recordings") / "illegible", n_tickers=TICKERS)
    overlay = json.loads((PARAMS / "lively.json").read_text())
    with (
        opened(ReplayPlan(recording, home, MIGRATIONS, overlay=overlay)) as world,
        closing(Database(target_from_url(world.urls.owner), application_name="tests")) as db,
    ):
        observed = _play(world, db, recording.day)
        yield Session(
            observed=observed,
            breaches=_breaches(world),
            trades=db.read("SELECT count(*) AS n FROM fills")[0]["n"],
            unbooked=db.read(
                "SELECT kind, broker_id FROM unbooked_facts WHERE resolved_at IS NULL"
            ),
            open_alerts=_alerts(db),
        )


@pytest.mark.parametrize(("switch", "item"), SWITCHES.items())
def test_an_alert_names_the_item_while_it_cannot_be_read(
    session: Session, switch: str, item: str
) -> None:
    seen = session.observed[switch]
    assert seen.injected >= 5
    named = {it["subject"] for it in seen.alerts if it["kind"] == "item_illegible"}
    assert any(subject.startswith(f"{item} ") for subject in named)


@pytest.mark.parametrize(("switch", "item"), SWITCHES.items())
def test_the_alert_ends_with_the_fault(session: Session, switch: str, item: str) -> None:
    left = session.observed[switch].left
    assert not [it for it in left if it["kind"] == "item_illegible"]


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_rest_goes_on_meanwhile(session: Session, switch: str) -> None:
    """Bars of the other tickers, marks of the other positions, and the runs of every stage.

    A position without a mark is named by an alert: its quote, or its order of unknown outcome.
    """
    seen = session.observed[switch]
    whole = [ticker for ticker, n in seen.bars.items() if n >= 9]
    assert len(whole) >= TICKERS - 1
    assert seen.marked.total() >= 5
    named = " ".join(it["subject"] for it in seen.alerts if it["severity"] == "critical")
    assert [it for it in seen.unmarked if it.split()[1] not in named] == []
    for stage in ("telemetry", "features", "watchlist", "signals", "dispatcher"):
        assert seen.stages[stage] == 10, stage
    assert seen.stages["position_manager"] == 10


def test_everything_is_booked_afterwards(session: Session) -> None:
    assert session.breaches == []
    assert session.trades > 10
    assert session.unbooked == []
