"""Incident 12: gates let trades through when they could not be computed ("allowing").

A gate that cannot be evaluated refuses, and says why.
"""

from collections.abc import Callable

import pytest

from ops_pipeline.errors import BrokerUnavailable
from tests.support.builders_trading import DAY, TradingBench
from tests.support.fakes import FixedCalendar


def _no_quote(bench: TradingBench) -> None:
    bench.market.latest.clear()


def _market_data_down(bench: TradingBench) -> None:
    bench.market.down = True


def _no_books(bench: TradingBench) -> None:
    bench.broker.fail("account", BrokerUnavailable("503"), times=9)


def _no_calendar(bench: TradingBench) -> None:
    known = bench.calendar.session(DAY)
    earlier = bench.calendar.previous_session(DAY)
    assert known is not None
    bench.calendar = FixedCalendar([earlier])


def _old_vix(bench: TradingBench) -> None:
    bench.run("UPDATE vix_history SET day = day - 5")


def _old_bars(bench: TradingBench) -> None:
    bench.run("UPDATE lane_features SET ts = ts - interval '10 min'")
    bench.run("UPDATE lane_telemetry SET ts = ts - interval '10 min'")


def _no_features(bench: TradingBench) -> None:
    bench.run("UPDATE lane_features SET ticker = 'QQQ'")


UNKNOWN: dict[str, tuple[Callable[[TradingBench], None], str]] = {
    "no quote": (_no_quote, "size"),
    "market data down": (_market_data_down, "size"),
    "the broker's books unknown": (_no_books, "buying_power"),
    "no session known": (_no_calendar, "trading_hours"),
    "an old VIX": (_old_vix, "vix_regime"),
    "old bars": (_old_bars, "bar_freshness"),
    "no features": (_no_features, "feature_freshness"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_cannot_be_known_refuses_by_name_and_sends_nothing(
    bench: TradingBench, what: str
) -> None:
    remove, gate = UNKNOWN[what]
    number = bench.recommend()
    remove(bench)
    bench.dispatch()
    row = bench.recommendation(number)
    assert row["status"] == "SKIPPED"
    verdict = bench.verdict(number, gate)
    assert verdict["passed"] is False
    assert verdict["reason"]
    assert verdict["reason"] in row["failure_reason"]
    assert not bench.broker.submitted
    assert not bench.orders()


def test_all_gates_are_answered_even_when_some_refuse(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.dispatch()
    answered = set(bench.recommendation(number)["risk_gate_json"])
    refused = bench.recommend("BBB")
    bench.clock.advance(1)
    _market_data_down(bench)
    bench.dispatch()
    assert set(bench.recommendation(refused)["risk_gate_json"]) == answered
