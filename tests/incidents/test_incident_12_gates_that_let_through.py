"""Incident 12: gates let trades through when they could not be computed ("allowing").

A gate that cannot be evaluated refuses, and says why.
"""

from collections.abc import Callable

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import BrokerUnavailable
from tests.builders_trading import DAY, Desk
from tests.fakes import FixedCalendar


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def _no_quote(desk: Desk) -> None:
    desk.market.latest.clear()


def _market_data_down(desk: Desk) -> None:
    desk.market.down = True


def _no_books(desk: Desk) -> None:
    desk.broker.fail("account", BrokerUnavailable("503"), times=9)


def _no_calendar(desk: Desk) -> None:
    known = desk.calendar.session(DAY)
    earlier = desk.calendar.previous_session(DAY)
    assert known is not None
    desk.calendar = FixedCalendar([earlier])


def _old_vix(desk: Desk) -> None:
    desk.run("UPDATE vix_history SET day = day - 5")


def _old_bars(desk: Desk) -> None:
    desk.run("UPDATE lane_features SET ts = ts - interval '10 min'")
    desk.run("UPDATE lane_telemetry SET ts = ts - interval '10 min'")


def _no_features(desk: Desk) -> None:
    desk.run("UPDATE lane_features SET ticker = 'QQQ'")


UNKNOWN: dict[str, tuple[Callable[[Desk], None], str]] = {
    "no quote": (_no_quote, "size"),
    "market data down": (_market_data_down, "size"),
    "the broker's books unknown": (_no_books, "buying_power"),
    "no session known": (_no_calendar, "trading_hours"),
    "an old VIX": (_old_vix, "vix_regime"),
    "old bars": (_old_bars, "bar_freshness"),
    "no features": (_no_features, "feature_freshness"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_cannot_be_known_refuses_by_name_and_sends_nothing(desk: Desk, what: str) -> None:
    spoil, gate = UNKNOWN[what]
    number = desk.recommend()
    spoil(desk)
    desk.dispatch()
    row = desk.recommendation(number)
    assert row["status"] == "SKIPPED"
    verdict = desk.verdict(number, gate)
    assert verdict["passed"] is False
    assert verdict["reason"]
    assert verdict["reason"] in row["failure_reason"]
    assert not desk.broker.submitted
    assert not desk.orders()


def test_all_gates_are_answered_even_when_some_refuse(desk: Desk) -> None:
    number = desk.recommend()
    desk.dispatch()
    answered = set(desk.recommendation(number)["risk_gate_json"])
    refused = desk.recommend("BBB")
    desk.clock.advance(1)
    _market_data_down(desk)
    desk.dispatch()
    assert set(desk.recommendation(refused)["risk_gate_json"]) == answered
