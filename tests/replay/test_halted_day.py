"""A recorded day with a halt goes the whole way: served, stored, refused, waited for, ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_local.recordings.halts import RecordedHalt
from ops_local.synthetic import generate
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Day, run_day

# The generated morning enters in each of these minutes where nothing is halted.
FROM, UNTIL, ENDS = (10, 30), (10, 45), (10, 56)


@pytest.fixture(scope="module")
def day(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder: Path = tmp_path_factory.mktemp("recordings") / "halted"
    morning = generate(folder, n_tickers=8)
    halt = RecordedHalt(
        "*", new_york_time(morning.day, *FROM), new_york_time(morning.day, *UNTIL), "MWC1"
    )
    recording = replace(morning, halts=[halt])
    # The paper exchange reads the folder.
    recordings.write(recording)
    last = new_york_time(morning.day, *ENDS)
    return run_day(home, recording, params="lively.json", last=last)


def test_the_halt_is_stored_from_both_lists_and_has_ended(day: Day) -> None:
    rows = day.rows("SELECT ticker, source, resumed_at FROM trading_halts WHERE ticker = '*'")
    assert {row["source"] for row in rows} == {"nasdaq_halts", "nyse_halts"}
    assert {row["resumed_at"] for row in rows} == {new_york_time(day.recording.day, *UNTIL)}
    assert day.tally.failures == []


def test_nothing_is_entered_while_it_stands_nor_right_after(day: Day) -> None:
    told = day.rows(
        """SELECT processed_at, risk_gate_json -> 'trading_halt' ->> 'passed' AS passed
        FROM dispatch_recommendations WHERE risk_gate_json ? 'trading_halt'"""
    )
    first = new_york_time(day.recording.day, FROM[0], FROM[1] + 1)
    last = new_york_time(day.recording.day, UNTIL[0], UNTIL[1] + 5)
    within = [row for row in told if first <= row["processed_at"] < last]
    assert within
    assert {row["passed"] for row in within} == {"false"}
    outside = [row for row in told if row not in within]
    assert {row["passed"] for row in outside} == {"true"}


def test_nothing_fills_in_it_and_what_is_held_keeps_its_stop(day: Day) -> None:
    first = new_york_time(day.recording.day, *FROM)
    last = new_york_time(day.recording.day, *UNTIL)
    fills = day.rows("SELECT executed_at FROM fills")
    assert [it for it in fills if first < it["executed_at"] < last] == []
    assert any(it["executed_at"] <= first for it in fills)
    cancelled = day.rows(
        """SELECT symbol FROM orders WHERE purpose = 'stop'
        AND cancel_requested_at > :first AND cancel_requested_at < :last""",
        first=new_york_time(day.recording.day, FROM[0], FROM[1] + 2),
        last=last,
    )
    assert cancelled == []


def test_the_alert_on_the_whole_market_has_ended(day: Day) -> None:
    [alert] = day.rows("SELECT severity, resolved_at FROM alerts WHERE kind = 'ticker_halted'")
    assert alert["severity"] == "critical"
    assert alert["resolved_at"] is not None
