"""A minute without trades is no staleness, while the feed is known to live."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops_local.recordings import bar_gaps
from ops_local.recordings.recording import load
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.parameters import GateRules
from ops_pipeline.domain.prices.bar_age import UNCOVERED, BarCoverage, bar_age_limit_s

NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
RULES = GateRules()


def coverage(asked_s: float | None, market_s: float | None) -> BarCoverage:
    """Asked for, and the market's newest bar ended, so many seconds ago; None: never."""
    return BarCoverage(
        *(None if ago is None else NOON - timedelta(seconds=ago) for ago in (asked_s, market_s))
    )


@pytest.mark.parametrize(
    ("asked_s", "market_s", "limit_s"),
    [
        (6, 6, 300),
        (120, 120, 300),
        (121, 6, 120),
        (6, 121, 120),
        (None, 6, 120),
        (6, None, 120),
    ],
    ids=[
        "a live feed",
        "at the limit",
        "its minutes were not answered",
        "no ticker has a bar",
        "it was never asked for",
        "there is no bar at all",
    ],
)
def test_the_limit_is_longer_only_while_its_minutes_are_answered_and_others_trade(
    asked_s: float | None, market_s: float | None, limit_s: int
) -> None:
    assert bar_age_limit_s(coverage(asked_s, market_s), NOON, RULES) == limit_s


def test_nineteen_of_twenty_gaps_of_one_venue_are_within_the_longer_limit(
    shared_data: Path,
) -> None:
    found: Counter[int] = Counter()
    for folder in sorted((shared_data.parent / "history" / "2025-autumn-iex").iterdir()):
        recording = load(folder)
        session = NyseCalendar().session(recording.day)
        assert session is not None
        found += bar_gaps.gaps(recording, session)
    within = sum(times for length, times in found.items() if length < RULES.thin_bar_age_s / 60)
    assert within / found.total() == pytest.approx(0.95, abs=0.005)


def test_what_is_not_known_is_as_strict_as_before() -> None:
    assert bar_age_limit_s(UNCOVERED, NOON, RULES) == RULES.bar_age_s


def test_a_rule_for_thin_tickers_never_makes_the_other_stricter() -> None:
    rules = GateRules(bar_age_s=400)
    assert bar_age_limit_s(coverage(6, 6), NOON, rules) == 400
