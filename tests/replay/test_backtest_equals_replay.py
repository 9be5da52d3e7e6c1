"""A backtest leaves the rows that a replay leaves: decisions, orders, fills, marks, results."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.plan import Variant
from ops_local.backtest.running import traded
from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_local.replay_environment import bounds_of
from ops_pipeline.db.parameters import overlay
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.parameters import Parameters
from tests.replay.conftest import MORNING_ENDS, REAL_DAYS, Day, Replay, overlay_of, run_day
from tests.support.mirrored_database import differences

# With every column of each. Alerts are the healthcheck's and telemetry's too, and a dispatcher
# without an idea is not run.
TABLES = (
    "dispatch_recommendations",
    "dispatch_executions",
    "orders",
    "fills",
    "active_positions",
    "position_events",
    "position_telemetry",
    "position_history",
    "close_requests",
)


_SESSIONS = 12


def assert_equal(
    day: Day, changes: Mapping[str, Any] | None = None, last: datetime | None = None
) -> None:
    first, end = bounds_of(day.recording.day)
    rules = overlay(Parameters(), changes or {})
    inputs = DayInputs(day.recording, rules, (first, last or end))
    trading = traded(inputs, Variant("", rules))
    assert trading.failures == []
    with day.reading() as tx:
        assert differences(trading.book, tx, TABLES) == []


@pytest.mark.slow
@pytest.mark.parametrize("date", REAL_DAYS)
def test_a_real_day_gives_the_same_rows(date: str, replayed: Replay) -> None:
    assert_equal(replayed(date))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(_SESSIONS))
def test_a_session_of_the_history_gives_the_same_rows(
    place: int, home: Home, shared_data: Path
) -> None:
    """Twelve of some hundred, drawn by seed."""
    every = sorted(it.parent for it in (shared_data.parent / "history").rglob("session.json"))
    if not every:
        pytest.skip("the history is not here")
    folder = Random(19).sample(every, _SESSIONS)[place]
    assert_equal(run_day(home, recordings.load(folder)))


def test_a_morning_with_news_gives_the_same_rows(generated_morning: Day) -> None:
    """Trades that won, lost and are still open when it ends."""
    last = new_york_time(generated_morning.recording.day, *MORNING_ENDS)
    assert_equal(generated_morning, overlay_of("lively.json"), last)
    assert generated_morning.value("SELECT count(*) FROM position_history") > 0


def test_a_day_with_livelier_figures_gives_the_same_rows(lively_day: Day) -> None:
    """Half of it, in which everything is sold at noon."""
    changes = overlay_of("lively.json")
    changes["gates"]["last_entry_minutes"] = 255
    changes["exits"]["session_end_minutes"] = 240
    assert_equal(lively_day, changes, new_york_time(lively_day.recording.day, 12, 15))
