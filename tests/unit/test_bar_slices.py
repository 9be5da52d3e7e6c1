"""Which bars are asked for: by ticker, in slices, the newest first, and nothing left out."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.parameters import TelemetryRules
from ops_pipeline.domain.prices.bar_slices import (
    LONGEST,
    TICKERS_A_SLICE,
    BarSlice,
    UnaskedMinutes,
    asked_twice_until,
    in_turn,
    newest_slices,
    older_slices,
)

TEN = datetime(2026, 2, 4, 15, 0, tzinfo=UTC)
RULES = TelemetryRules()
names = st.sampled_from([f"T{number}" for number in range(12)])


def test_a_ticker_that_is_up_to_date_is_asked_for_its_last_minutes_alone() -> None:
    (part,) = newest_slices(["AAA", "BBB"], dict.fromkeys(("AAA", "BBB"), TEN - MINUTE), TEN, RULES)
    assert (part.start, part.end) == (TEN - 6 * MINUTE, TEN)


def test_one_far_behind_makes_no_answer_of_others_longer() -> None:
    tickers = [f"T{number:03}" for number in range(TICKERS_A_SLICE + 1)]
    newest = dict.fromkeys(tickers[1:], TEN - MINUTE)
    fresh, behind = newest_slices(tickers, newest, TEN, RULES)
    assert (fresh.start, behind.start) == (TEN - 6 * MINUTE, TEN - LONGEST)
    assert behind.tickers == ("T000",)


def test_nothing_is_asked_for_before_the_day_begins() -> None:
    four = TEN - timedelta(hours=6)
    assert newest_slices(["AAA"], {}, four, RULES) == []
    (part,) = newest_slices(["AAA"], {}, four + 2 * MINUTE, RULES)
    assert part.start == four + timedelta(0)


def test_each_minute_begins_with_other_tickers_so_that_none_is_always_last() -> None:
    slices = [BarSlice((f"T{number}",), TEN, TEN + MINUTE) for number in range(20)]
    turns = [in_turn(slices, TEN + minute * MINUTE) for minute in range(5)]
    assert all(sorted(turn, key=slices.index) == slices for turn in turns)
    assert {slices.index(part) for turn in turns for part in turn[:8]} == set(range(20))
    assert in_turn(slices[:1], TEN) == slices[:1]
    assert in_turn([], TEN) == []


def test_what_is_missing_is_asked_for_by_half_hours_the_newest_first() -> None:
    parts = older_slices([UnaskedMinutes("AAA", TEN - timedelta(minutes=70), TEN)])
    assert [(part.start, part.end) for part in parts] == [
        (TEN - timedelta(minutes=30), TEN),
        (TEN - timedelta(minutes=60), TEN - timedelta(minutes=30)),
        (TEN - timedelta(minutes=70), TEN - timedelta(minutes=60)),
    ]


@given(
    st.lists(st.tuples(names, st.integers(0, 700), st.integers(1, 400)), max_size=30),
)
def test_slices_cover_every_missing_minute_within_their_bounds(
    holes: list[tuple[str, int, int]],
) -> None:
    unasked = [
        UnaskedMinutes(ticker, TEN + first * MINUTE, TEN + (first + length) * MINUTE)
        for ticker, first, length in holes
    ]
    parts = older_slices(unasked)
    asked = {
        (ticker, part.start + minute * MINUTE)
        for part in parts
        for ticker in part.tickers
        for minute in range(int((part.end - part.start) / MINUTE))
    }
    wanted = {
        (each.ticker, each.start + minute * MINUTE)
        for each in unasked
        for minute in range(int((each.end - each.start) / MINUTE))
    }
    assert wanted <= asked
    assert all(part.end - part.start <= LONGEST for part in parts)
    assert all(len(set(part.tickers)) == len(part.tickers) <= TICKERS_A_SLICE for part in parts)
    assert all(earlier.end >= later.end for earlier, later in pairwise(parts))


def test_minutes_are_asked_for_once_more_by_half_hours_that_are_over_for_as_long() -> None:
    assert asked_twice_until(TEN) == TEN - LONGEST
    assert asked_twice_until(TEN + 29 * MINUTE) == TEN - LONGEST
    assert asked_twice_until(TEN + 30 * MINUTE) == TEN
