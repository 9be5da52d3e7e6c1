"""Which bars are stored, kept aside, or hold their ticker back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.bars import fault, fetch_from, jumps, validate
from ops_pipeline.domain.market import MINUTE, Bar
from ops_pipeline.domain.parameters import TelemetryRules

RULES = TelemetryRules()
TICK = datetime(2014, 6, 9, 14, 0, tzinfo=UTC)
OPEN = datetime(2014, 6, 9, 13, 30, tzinfo=UTC)


def bar(minute: int = 0, close: str = "10", *, ticker: str = "AAA", volume: int = 100) -> Bar:
    price = Decimal(close)
    return Bar(ticker, OPEN + minute * MINUTE, price, price, price, price, volume)


def test_a_bar_whose_minute_is_not_over_is_left_out() -> None:
    final, forming = bar(29), bar(30)
    assert validate([final, forming], ["AAA"], TICK).sound == (final,)


def test_of_two_bars_of_one_minute_the_later_answer_counts() -> None:
    first, corrected = bar(1, "10"), bar(1, "11")
    assert validate([first, corrected], ["AAA"], TICK).sound == (corrected,)


def test_bars_out_of_order_come_out_sorted_by_ticker_and_minute() -> None:
    given_bars = [bar(2, ticker="BBB"), bar(1), bar(0), bar(1, ticker="BBB")]
    found = validate(given_bars, ["AAA", "BBB"], TICK).sound
    assert [(each.ticker, each.ts) for each in found] == sorted(
        (each.ticker, each.ts) for each in given_bars
    )


def test_a_bar_of_a_ticker_nobody_asked_for_is_kept_aside() -> None:
    rejected = validate([bar(ticker="ZZZ")], ["AAA"], TICK).rejected
    assert [each.reason for each in rejected] == ["nobody asked for this ticker"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"open": Decimal("NaN")}, "a price is no number"),
        ({"high": Decimal("Infinity")}, "a price is no number"),
        ({"low": Decimal(0)}, "a price is not above 0"),
        ({"high": Decimal("9.99")}, "high is under open or close"),
        ({"low": Decimal("10.01")}, "low is over open or close"),
        ({"volume": -1}, "volume is under 0"),
        ({"volume": 2**63}, "volume is out of all bounds"),
        ({"high": Decimal("1E+308")}, "a price is out of all bounds"),
        ({"low": Decimal("1E-320")}, "a price is out of all bounds"),
        ({"ts": OPEN + timedelta(seconds=1)}, "ts is not the start of a minute"),
    ],
)
def test_a_bar_that_cannot_be_true_is_refused_by_reason(
    changes: dict[str, object], reason: str
) -> None:
    assert fault(bar()) is None
    assert fault(replace(bar(), **changes)) == reason  # type: ignore[arg-type]  # by field


def test_the_first_fetch_of_a_day_starts_at_four_in_new_york() -> None:
    assert fetch_from(TICK, None, RULES) == datetime(2014, 6, 9, 8, 0, tzinfo=UTC)
    winter = datetime(2014, 1, 9, 14, 30, tzinfo=UTC)
    assert fetch_from(winter, None, RULES) == datetime(2014, 1, 9, 9, 0, tzinfo=UTC)


def test_a_later_fetch_asks_again_for_the_last_minutes() -> None:
    assert fetch_from(TICK, TICK - MINUTE, RULES) == TICK - 6 * MINUTE


def test_after_an_outage_the_fetch_starts_before_the_newest_stored_bar() -> None:
    assert fetch_from(TICK, TICK - 31 * MINUTE, RULES) == TICK - 36 * MINUTE


def test_a_fetch_never_reaches_into_the_day_before() -> None:
    day_starts = datetime(2014, 6, 9, 8, 0, tzinfo=UTC)
    assert fetch_from(TICK, day_starts + MINUTE, RULES) == day_starts


def test_the_split_inside_a_pre_market_bar_is_a_jump_without_any_earlier_close() -> None:
    split = replace(bar(0, "92.42"), open=Decimal("645.57"), high=Decimal("645.57"))
    (found,) = jumps([split, bar(1, "92.46")], {}, RULES)
    assert (found.bar, found.previous_close) == (split, Decimal("645.57"))
    assert found.reason == "AAA went from 645.57 to 92.42 (-85.7 %)"


def test_a_close_far_from_that_of_the_day_before_is_a_jump() -> None:
    (found,) = jumps([bar(0, "92.42")], {"AAA": Decimal("645.85")}, RULES)
    assert found.previous_close == Decimal("645.85")


@pytest.mark.parametrize(("close", "jumped"), [("14", 0), ("14.01", 1), ("6", 0), ("5.99", 1)])
def test_a_jump_is_more_than_forty_percent_up_or_down(close: str, jumped: int) -> None:
    assert len(jumps([bar(0, close)], {"AAA": Decimal(10)}, RULES)) == jumped


def test_each_bar_is_held_against_the_one_before_it_of_its_own_ticker() -> None:
    bars = [bar(0, "10"), bar(1, "13"), bar(2, "16.9"), bar(0, "100", ticker="BBB")]
    assert jumps(bars, {"AAA": Decimal(10)}, RULES) == []


@given(st.permutations([bar(minute, str(10 + minute)) for minute in range(8)]), st.data())
def test_any_order_and_any_repetition_of_the_same_bars_sifts_the_same(
    shuffled: list[Bar], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(shuffled)))
    expected = validate(sorted(shuffled, key=lambda each: each.ts), ["AAA"], TICK)
    assert validate([*shuffled, *again], ["AAA"], TICK) == expected
