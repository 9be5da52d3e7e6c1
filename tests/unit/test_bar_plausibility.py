"""A bar far from the one before it waits for a second price; how far, was chosen on real days."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_local.recordings import bar_bounds
from ops_local.recordings.recording import load
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.market import MINUTE, Bar, new_york_time
from ops_pipeline.domain.parameters import PriceRules, TelemetryRules
from ops_pipeline.domain.prices.bar_plausibility import BarVerdicts, judge_bars
from ops_pipeline.domain.prices.plausibility import Evidence
from tests.support.builders_trading import DAY
from tests.support.fakes import regular_session

NOON = new_york_time(DAY, 12)


def bar(close: str, minute: int = 0, ticker: str = "AAA") -> Bar:
    price = Decimal(close)
    return Bar(ticker, NOON + minute * MINUTE, price, price, price, price, 100)


def judged(
    *bars: Bar, before: str = "100", age_s: float = 60, others: tuple[Evidence, ...] = ()
) -> BarVerdicts:
    known = Evidence(Decimal(before), bars[0].ends_at - timedelta(seconds=age_s), "bar")
    return judge_bars(
        bars,
        {"AAA": known},
        {"AAA": others},
        session=regular_session(DAY),
        prices=PriceRules(),
        jumps=TelemetryRules(),
    )


@pytest.mark.parametrize(
    ("close", "age_s", "believed"),
    [
        ("101.00", 60, True),
        ("101.01", 60, False),
        ("98.99", 60, False),
        ("101.90", 4 * 60, True),
        ("102.10", 4 * 60, False),
        ("130", 1801, True),
        # A jump is stored, and its ticker held back.
        ("141", 60, True),
    ],
)
def test_a_close_may_be_off_by_the_root_of_the_time_between(
    close: str, age_s: float, believed: bool
) -> None:
    assert bool(judged(bar(close), age_s=age_s).believed) == believed


def test_the_first_minutes_of_a_session_have_twice_the_room() -> None:
    opening = Bar("AAA", new_york_time(DAY, 9, 31), *(Decimal("101.90"),) * 4, volume=100)
    assert judged(opening).doubted == ()


def test_an_odd_bar_between_two_that_agree_stays_aside() -> None:
    found = judged(bar("100.1"), bar("103", 1), bar("100.2", 2))
    assert found.doubted == (bar("103", 1),)
    assert found.believed == (bar("100.1"), bar("100.2", 2))


def test_two_bars_that_agree_are_a_move() -> None:
    assert judged(bar("103"), bar("103.2", 1)).doubted == ()


@pytest.mark.parametrize(
    ("price", "after_s", "source", "believed"),
    [
        ("103.1", 62, "quote", True),
        ("103.1", 62, "trade", True),
        ("103.1", 40, "trade", False),
        ("103.1", -5, "quote", False),
        ("100.1", 62, "quote", False),
    ],
)
def test_another_price_of_that_time_bears_it_out(
    price: str, after_s: float, source: str, believed: bool
) -> None:
    other = Evidence(Decimal(price), NOON + timedelta(seconds=after_s), source)  # type: ignore[arg-type]  # a source
    assert bool(judged(bar("103"), others=(other,)).believed) == believed


def test_one_ticker_s_odd_bar_costs_no_other_its_bars() -> None:
    other = bar("55", 0, "BBB")
    found = judged(bar("103"), other)
    assert found == BarVerdicts(believed=(other,), doubted=(bar("103"),))


@given(st.lists(st.decimals("90", "110", places=2), min_size=1, max_size=12))
def test_every_bar_is_either_believed_or_kept_aside(closes: list[Decimal]) -> None:
    bars = [bar(str(close), minute) for minute, close in enumerate(closes)]
    found = judged(*bars)
    assert sorted((*found.believed, *found.doubted), key=lambda it: it.ts) == bars


@pytest.mark.parametrize("day", ["2013-10-09", "2014-06-06", "2014-06-09"])
def test_of_the_bars_of_a_real_day_at_most_one_in_a_thousand_is_kept_aside(
    shared_data: Path, day: str
) -> None:
    recording = load(shared_data / day)
    session = NyseCalendar().session(recording.day)
    assert session is not None
    moves = list(bar_bounds.measure(recording, session, PriceRules()))
    assert len(moves) > 700
    assert sum(it.at_first for it in moves) <= len(moves) / 1000
