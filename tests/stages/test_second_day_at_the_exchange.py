"""A split over night at the paper exchange, over Alpaca's own wire, through the functions."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from functions.corporate_actions.handler import lambda_handler as read_actions
from functions.position_manager.handler import lambda_handler as guard
from functions.reconciler.handler import lambda_handler as reconcile
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import MONDAY, Minute, ask, at, open_exchange
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.stand_ins import in_process, leading_to, prepared

TUESDAY = MONDAY + timedelta(days=1)
HALF = {
    ("AAA", f"{9 + minute // 60:02d}:{minute % 60:02d}"): Minute(bid="5.00", ask="5.02")
    for minute in range(30, 120)
}
RATES = {"old_rate": "1", "new_rate": "2"}


def tick(moment: datetime) -> dict[str, str]:
    return {"tick": moment.strftime("%Y-%m-%dT%H:%M:00Z")}


class Days:
    """One account over two days at one exchange, whose store goes on."""

    def __init__(self, folder: Path, db: Database, urls: DatabaseUrls) -> None:
        self.folder, self.db, self.urls = folder, db, urls
        self.clock = FixedClock(at("10:31"))

    def day(self, exchange: RunningExchange) -> Runtime:
        return Runtime(leading_to(exchange, self.urls), self.clock)

    def minutes(self, exchange: RunningExchange, count: int, *, compared: bool = True) -> None:
        for _ in range(count):
            self.clock.at += MINUTE
            exchange.set_clock(self.clock.at)
            event = {**tick(self.clock.at), "account": "large"}
            guard(event, None)
            if compared:
                reconcile(event, None)

    def morning(self, exchange: RunningExchange) -> None:
        """daily_cycle's first two steps at 08:30, then the guard's runs before the open."""
        self.clock.at = at("08:30", TUESDAY)
        exchange.set_clock(self.clock.at)
        assert read_actions(tick(self.clock.at), None)["status"] == "run"
        assert reconcile(tick(self.clock.at), None)["status"] == "run"
        self.clock.at = at("09:25", TUESDAY)
        self.minutes(exchange, 4, compared=False)

    def position(self) -> tuple[str, float, float, float]:
        (row,) = rows(
            self.db, "SELECT symbol, quantity, entry_price, stop_loss FROM active_positions"
        )
        return row["symbol"], *map(float, (row["quantity"], row["entry_price"], row["stop_loss"]))

    def alerts(self) -> list[str]:
        found = rows(self.db, "SELECT kind FROM alerts WHERE resolved_at IS NULL ORDER BY kind")
        return [row["kind"] for row in found]


@pytest.fixture
def days(tmp_path: Path, db: Database, database_urls: DatabaseUrls) -> Days:
    """`large` holds a swing of 20 AAA, bought at 10.02 on Monday, with its stop."""
    prepared(db, "AAA", "BBB")
    days = Days(tmp_path, db, database_urls)
    with open_exchange(tmp_path) as monday:
        monday.set_clock(days.clock.at)
        with in_process(days.day(monday)):
            days.minutes(monday, 1)
            monday.place_order(
                "large", symbol="AAA", side="buy", qty="20", type="market", time_in_force="day"
            )
            days.minutes(monday, 2)
            with db.transaction() as tx:
                tx.execute(
                    "UPDATE active_positions SET strategy_type = 'swing_trade',"
                    " max_hold_minutes = NULL"
                )
            days.minutes(monday, 2)
            assert days.position() == ("AAA", 20, 10.02, 9.81)
    return days


def resting(exchange: RunningExchange) -> list[tuple[str, str, str]]:
    _, found = ask(exchange, "GET", "/v2/orders?status=open")
    return [(it["symbol"], it["qty"], it["stop_price"]) for it in found]


@pytest.mark.parametrize("behaviour", ["canceled", "adjusted", "left"])
def test_a_split_over_night_is_counted_and_guarded_before_the_open(
    days: Days, behaviour: str
) -> None:
    with open_exchange(days.folder, HALF, day=TUESDAY) as tuesday:
        tuesday.set_behaviour("gtc_over_split", behaviour)
        tuesday.add_corporate_action("forward_split", "AAA", TUESDAY.isoformat(), **RATES)
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
            assert days.position() == ("AAA", 40, 5.01, 4.9)
            assert resting(tuesday) == [("AAA", "40", "4.9")]
            days.clock.at = at("09:31", TUESDAY)
            days.minutes(tuesday, 6)
            assert resting(tuesday) == [("AAA", "40", "4.9")]
    assert days.alerts() == []
    (account,) = rows(
        days.db, "SELECT books_halt, kill_switch FROM accounts WHERE account_name = 'large'"
    )
    assert (account["books_halt"], account["kill_switch"]) == (None, None)
    assert rows(days.db, "SELECT 1 FROM position_history") == []


def test_a_split_that_only_the_broker_knows_of_is_taken_from_its_activity(days: Days) -> None:
    with open_exchange(days.folder, HALF, day=TUESDAY) as tuesday:
        tuesday.add_corporate_action(
            "forward_split", "AAA", TUESDAY.isoformat(), **RATES, listed=False
        )
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
            assert days.position() == ("AAA", 40, 5.01, 4.9)
            assert resting(tuesday) == [("AAA", "40", "4.9")]
    (row,) = rows(days.db, "SELECT action_id, activity_id FROM position_adjustments")
    assert row["action_id"] is None
    assert days.alerts() == []


@pytest.mark.parametrize("behaviour", ["canceled", "adjusted", "left"])
def test_a_split_that_is_booked_after_half_past_eight_is_guarded_before_the_open(
    days: Days, behaviour: str
) -> None:
    with open_exchange(days.folder, HALF, day=TUESDAY) as tuesday:
        tuesday.set_behaviour("gtc_over_split", behaviour)
        with in_process(days.day(tuesday)):
            days.clock.at = at("08:30", TUESDAY)
            tuesday.set_clock(days.clock.at)
            read_actions(tick(days.clock.at), None)
            reconcile(tick(days.clock.at), None)
            terms = {"old_rate": "3", "new_rate": "1", "listed": False}
            tuesday.add_corporate_action("reverse_split", "AAA", TUESDAY.isoformat(), **terms)
            days.clock.at = at("09:25", TUESDAY)
            days.minutes(tuesday, 4, compared=False)
            symbol, quantity, _, stop = days.position()
            assert (symbol, quantity, stop) == ("AAA", 6, 29.43)
            assert resting(tuesday) == [("AAA", "6", "29.43")]
    (row,) = rows(days.db, "SELECT old_rate, new_rate, cash FROM position_adjustments")
    assert (row["old_rate"], row["new_rate"], float(row["cash"])) == (3, 1, 20.04)
    assert days.alerts() == []


def test_a_symbol_that_changes_over_night_is_guarded_under_the_new_one(days: Days) -> None:
    with open_exchange(days.folder, day=TUESDAY) as tuesday:
        tuesday.add_corporate_action("name_change", "AAA", TUESDAY.isoformat(), new_symbol="BBB")
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
            assert days.position() == ("BBB", 20, 10.02, 9.81)
            assert resting(tuesday) == [("BBB", "20", "9.81")]
            days.clock.at = at("09:31", TUESDAY)
            days.minutes(tuesday, 3)
    assert days.alerts() == []
    watched = rows(days.db, "SELECT ticker FROM tickers WHERE is_watched")
    assert watched == [{"ticker": "BBB"}]


def test_a_cash_merger_over_night_ends_the_position_with_what_was_paid(days: Days) -> None:
    with open_exchange(days.folder, day=TUESDAY) as tuesday:
        tuesday.add_corporate_action("cash_merger", "AAA", TUESDAY.isoformat(), cash="12")
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
            days.clock.at = at("09:31", TUESDAY)
            days.minutes(tuesday, 4)
    (history,) = rows(days.db, "SELECT exit_reason, pnl_dollars, verified FROM position_history")
    assert (history["exit_reason"], history["verified"]) == ("corporate_action", True)
    assert float(history["pnl_dollars"]) == pytest.approx(20 * (12 - 10.02))
    assert days.alerts() == []


def test_an_ex_dividend_over_night_is_noted_and_the_stop_stays(days: Days) -> None:
    with open_exchange(days.folder, day=TUESDAY) as tuesday:
        later = (TUESDAY + timedelta(days=20)).isoformat()
        tuesday.add_corporate_action(
            "cash_dividend", "AAA", TUESDAY.isoformat(), cash="0.05", payable_date=later
        )
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
            assert days.position() == ("AAA", 20, 10.02, 9.81)
            assert resting(tuesday) == [("AAA", "20", "9.81")]
    (row,) = rows(days.db, "SELECT kind, cash, fraction FROM position_adjustments")
    assert (row["kind"], float(row["cash"]), row["fraction"]) == ("cash_dividend", 1.0, 0)
    assert days.alerts() == []


def test_a_split_that_the_broker_never_books_is_told_and_decides_nothing(days: Days) -> None:
    with open_exchange(days.folder, HALF, day=TUESDAY) as tuesday:
        tuesday.add_corporate_action(
            "forward_split", "AAA", TUESDAY.isoformat(), **RATES, processed=False
        )
        with in_process(days.day(tuesday)):
            days.morning(tuesday)
    assert days.position() == ("AAA", 20, 10.02, 9.81)
    assert days.alerts() == ["corporate_action_pending"]
    assert rows(days.db, "SELECT 1 FROM orders WHERE purpose = 'exit'") == []
