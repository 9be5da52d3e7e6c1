"""A real day as one venue's feed shows it: a fortieth of the volume, with minutes missing."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_local.home import Home
from ops_local.pipeline import Failure
from ops_local.recordings import recording as recordings
from ops_local.recordings.recording import Recording
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment, ReplayPlan, opened
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_time
from tests.conftest import MIGRATIONS
from tests.replay.conftest import broker_books, overlay_of

pytestmark = pytest.mark.slow

DAY = "2013-10-07"
OPENS, CLOSES = (9, 30), (16, 0)
# One venue's share of the market, as the paper exchange has it.
SHARE = 40

Venue = Literal["whole_market", "one_venue"]


@dataclass(frozen=True)
class VenueDay:
    """How the day went at one of the feeds.

    Attributes:
        bars: Of the session, as stored.
        refused: How many ideas each gate refused.
    """

    recording: Recording
    failures: list[Failure]
    breaches: list[str]
    bars: list[dict[str, Any]]
    alerts: Counter[str]
    refused: Counter[str]
    ideas: int
    trades: int
    features: int


@pytest.fixture(scope="module")
def days(home: Home, shared_data: Any) -> Mapping[Venue, VenueDay]:
    recording = recordings.load(shared_data / DAY)
    venues: tuple[Venue, Venue] = ("whole_market", "one_venue")
    return {venue: play(home, recording, venue) for venue in venues}


def play(home: Home, recording: Recording, venue: Venue) -> VenueDay:
    # Two databases beside those of other tests.
    plan = ReplayPlan(recording, home, MIGRATIONS, overlay=overlay_of("lively.json"), paced=True)
    with opened(plan) as world:
        world.exchange.set_behaviour("venue", venue)
        world.exchange.set_behaviour("bar_publication", "late_and_recalculated")
        for tick in ticks(load_schedules(), *plan.bounds):
            world.advance(tick.at, lambda _at, _tally: None)
            world.pipeline.run(tick)
        return examined(world, recording)


def examined(world: ReplayEnvironment, recording: Recording) -> VenueDay:
    books = {account.name: broker_books(world, account.name) for account in ACCOUNTS}
    database = Database(target_from_url(world.urls.owner), application_name="tests")
    with closing(database), database.transaction() as tx:
        breaches = invariants.check(tx, now=world.clock.now(), broker=books)
        gates = tx.rows("SELECT risk_gate_json AS gates FROM dispatch_recommendations")
        return VenueDay(
            recording=recording,
            failures=world.pipeline.tally.failures,
            breaches=[str(breach) for breach in breaches],
            bars=tx.rows(
                "SELECT ticker, ts, volume FROM lane_telemetry WHERE ts >= :opens AND ts < :closes",
                opens=new_york_time(recording.day, *OPENS),
                closes=new_york_time(recording.day, *CLOSES),
            ),
            alerts=Counter(row["kind"] for row in tx.rows("SELECT kind FROM alerts")),
            refused=Counter(
                name
                for row in gates
                for name, verdict in (row["gates"] or {}).items()
                if not verdict["passed"]
            ),
            ideas=len(gates),
            trades=count(tx, "position_history"),
            features=count(tx, "lane_features"),
        )


def count(tx: Transaction, table: str) -> int:
    (row,) = tx.rows(f"SELECT count(*) AS n FROM {table}")
    return int(row["n"])


@pytest.mark.parametrize("venue", ["whole_market", "one_venue"])
def test_every_invariant_holds_and_nothing_fails(
    days: Mapping[Venue, VenueDay], venue: Venue
) -> None:
    assert days[venue].breaches == []
    assert days[venue].failures == []
    assert days[venue].trades > 0


def test_the_bars_are_a_fortieth_and_some_are_missing(days: Mapping[Venue, VenueDay]) -> None:
    whole, venue = days["whole_market"], days["one_venue"]
    recorded = {(bar["ticker"], bar["ts"]): bar["volume"] for bar in whole.bars}
    assert len(recorded) * 0.8 < len(venue.bars) < len(recorded)
    for bar in venue.bars:
        there = recorded[bar["ticker"], bar["ts"]]
        assert bar["volume"] == max(1, round(there / SHARE)), bar


def test_missing_minutes_alone_refuse_no_idea_as_stale(days: Mapping[Venue, VenueDay]) -> None:
    venue = days["one_venue"]
    assert venue.ideas > 0
    assert venue.refused["bar_freshness"] == venue.refused["feature_freshness"] == 0


def test_a_thin_feed_opens_no_alert_that_the_whole_one_does_not(
    days: Mapping[Venue, VenueDay],
) -> None:
    assert days["one_venue"].alerts == days["whole_market"].alerts
    assert 0 < days["one_venue"].features < days["whole_market"].features
