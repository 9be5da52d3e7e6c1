"""Real days at a broker that fails by a seed: whatever it did, the invariants hold at the end."""

import json
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment, ReplayPlan, opened
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.operations.invariants import Breach
from tests.conftest import MIGRATIONS
from tests.replay.conftest import PARAMS, broker_books
from tests.replay.people import People

DAYS = (
    "2013-10-07",
    "2013-10-08",
    "2013-10-09",
    "2013-10-10",
    "2013-10-11",
    "2014-06-05",
    "2014-06-06",
    "2014-06-09",
)
# Rates for each request; a slow answer would only slow the test. Clock skew and a wrong
# account number would stop every run they touch: they come seldom.
RATES = {
    "reply_lost": 0.03,
    "not_heard": 0.02,
    "too_many_requests": 0.02,
    "server_error": 0.02,
    "malformed": 0.02,
    "truncated": 0.02,
    "duplicate_fills": 0.2,
    "unordered_fills": 0.2,
    "late_fills": 0.2,
    "not_listed": 0.1,
    "no_positions": 0.1,
    "stale_quote": 0.05,
    "crossed_quote": 0.05,
    "zero_quote": 0.05,
    "halted_stock": 0.05,
    "no_buying_power": 0.05,
    "wrong_account": 0.01,
    "clock_skew": 0.05,
    "unknown_status": 0.03,
    "empty_order_type": 0.03,
    "illegible_order": 0.03,
    "multi_leg_order": 0.1,
    "no_average_price": 0.05,
    "illegible_activity": 0.03,
    "illegible_position": 0.03,
    "illegible_quote": 0.03,
    "illegible_bar": 0.03,
    "no_quote": 0.03,
    "frozen_quote": 0.03,
    "overfill": 0.05,
    "late_fill": 0.05,
    "rejected_by_venue": 0.05,
    "vanishes": 0.03,
}
RULES = [{"kind": kind, "rate": rate} for kind, rate in RATES.items()]
# From after the morning's reading of the VIX, without which nothing is traded all day, to
# shortly before the end, so that what is unknown can be settled.
FIRST, LAST, ENDS = (9, 25), (15, 46), (16, 25)
# In every run a morning, whose trades are still open when its faults end.
LAST_OF_MORNING, MORNING_ENDS = (11, 20), (11, 59)


# Money that moves without a trade meanwhile.
MOVED = (
    ((11, 0), "large", "FEE", "-0.37"),
    ((12, 0), "large", "DIV", "4.10"),
    ((13, 0), "tiny", "CSD", "250"),
)


@dataclass(frozen=True)
class Ended:
    """How a day ended.

    Attributes:
        trades: Positions that were closed.
        happened: How often something went wrong.
        mismatched: Runs that stopped because the keys opened another account.
        unexplained: By account, what the evening's reading of its cash left over, USD.
    """

    breaches: list[Breach]
    trades: int
    happened: int
    mismatched: int
    unexplained: dict[str, Decimal]


def play(
    home: Home,
    folder: Path,
    seed: int,
    *,
    last: tuple[int, int] = LAST,
    ends: tuple[int, int] = ENDS,
) -> Ended:
    """Replay a day with faults, and people who meddle, until `last`; then in peace to `ends`."""
    recording = recordings.load(folder)
    overlay = json.loads((PARAMS / "lively.json").read_text())
    with opened(
        ReplayPlan(recording, home, MIGRATIONS, overlay=overlay, paced=bool(seed % 2))
    ) as world:
        day = recording.day
        moves, people = list(MOVED), People(world, RULES, seed, recording.tickers)
        for tick in ticks(load_schedules(), world.clock.now(), new_york_time(day, *ends)):
            world.advance(tick.at, lambda _at, _tally: None)
            if tick.at == new_york_time(day, *FIRST):
                people.set_faults()
            if tick.at == new_york_time(day, *last):
                people.no_more_faults()
            while moves and tick.at >= new_york_time(day, *moves[0][0]):
                world.exchange.add_activity(*moves.pop(0)[1:])
            if people.meddle(tick):
                world.pipeline.run(tick)
        mismatched = [it for it in world.pipeline.tally.failures if it.error == "AccountMismatch"]
        return _examined(world, people.happened, len(mismatched))


def _examined(world: ReplayEnvironment, happened: int, mismatched: int) -> Ended:
    books = {account.name: broker_books(world, account.name) for account in ACCOUNTS}
    database = Database(target_from_url(world.urls.writer), application_name="tests")
    with closing(database), database.transaction() as tx:
        breaches = invariants.check(tx, now=world.clock.now(), broker=books)
        (trades,) = tx.rows("SELECT count(*) AS n FROM position_history")
        cash = tx.rows(
            "SELECT account_name, unexplained FROM cash_readings WHERE unexplained IS NOT NULL"
        )
    unexplained = {row["account_name"]: row["unexplained"] for row in cash}
    return Ended(breaches, trades["n"], happened, mismatched, unexplained)


def test_a_morning_at_a_failing_broker_ends_with_every_invariant_whole(
    home: Home, shared_data: Path
) -> None:
    folder = shared_data / "2013-10-07"
    ended = play(home, folder, 1, last=LAST_OF_MORNING, ends=MORNING_ENDS)
    assert ended.breaches == []
    assert ended.happened > 20
    assert ended.mismatched > 0
    assert ended.trades > 0


@pytest.mark.slow
def test_a_real_day_at_a_failing_broker_ends_with_every_invariant_whole(
    home: Home, shared_data: Path
) -> None:
    ended = play(home, shared_data / "2013-10-07", 1)
    assert ended.breaches == []
    assert ended.happened > 50
    assert ended.mismatched > 3
    assert ended.trades > 0
    assert ended.unexplained == {"large": 0, "tiny": 0}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("day", DAYS)
def test_every_real_day_with_five_schedules_of_faults(
    home: Home, shared_data: Path, day: str, seed: int
) -> None:
    ended = play(home, shared_data / day, seed)
    assert ended.breaches == []
    assert ended.happened > 50
    assert ended.unexplained == {"large": 0, "tiny": 0}
