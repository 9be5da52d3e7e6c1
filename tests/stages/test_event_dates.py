"""Dates of events: imported by a verb, recorded, and a gate that keeps entries away from them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops_local.commands.events import read_events
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market_state.event_dates import EventDate
from ops_pipeline.domain.parameters import GateRules, Parameters
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages import control
from ops_pipeline.stages.operating import event_setup
from ops_pipeline.stages.operating.event_setup import EventsChange, EventsCommand
from tests.support.builders_market import rows
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock

NOW = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
FOMC = EventDate("*", "fomc", NOW + timedelta(days=1), "Federal Reserve")
EARNINGS = EventDate("AAA", "earnings", NOW + timedelta(hours=5), "a calendar")
HEADER = "ticker,kind,at,source"
EVENT = Path(__file__).parents[2] / "functions/control/events/import_an_event.json"


def change(db: Database, *events: EventDate, to: EventsChange = "add") -> dict[str, object]:
    command = EventsCommand(change=to, operator="kim", reason="because", events=events)
    return event_setup.run(command, db=db, clock=FixedClock(NOW))


def test_dates_are_added_once_and_recorded(db: Database) -> None:
    assert change(db, FOMC, EARNINGS, EARNINGS) == {"changed": 2, "events": 2}
    assert change(db, FOMC, EARNINGS) == {"changed": 0, "events": 2}
    assert len(rows(db, "SELECT * FROM event_dates")) == 2
    [action] = rows(db, "SELECT * FROM operator_actions")
    assert (action["action"], action["operator"], action["reason"]) == (
        "events_add",
        "kim",
        "because",
    )


def test_a_date_is_taken_off_again(db: Database) -> None:
    change(db, FOMC, EARNINGS)
    assert change(db, FOMC, to="remove")["changed"] == 1
    [left] = rows(db, "SELECT ticker FROM event_dates")
    assert left["ticker"] == "AAA"


def test_one_that_is_none_refuses_all(db: Database) -> None:
    odd = EventDate("no symbol", "other", NOW, "x")
    with pytest.raises(InvalidInput, match="event 2"):
        change(db, FOMC, odd)
    assert list(rows(db, "SELECT * FROM event_dates")) == []


def test_control_takes_them_as_an_event(db: Database) -> None:
    request = control.Request.model_validate(json.loads(EVENT.read_text()))
    assert request.set_up(db=db, clock=FixedClock(NOW)) == {"changed": 1, "events": 1}


def test_a_csv_names_the_zone_of_its_times(tmp_path: Path) -> None:
    file = tmp_path / "dates.csv"
    file.write_text(
        f"{HEADER}\naaa,Earnings,2026-02-04 16:05 ET,a calendar\n*,fomc,2026-03-18T18:00:00Z,Fed\n"
    )
    assert read_events(file) == [
        EventDate("AAA", "earnings", datetime(2026, 2, 4, 21, 5, tzinfo=UTC), "a calendar"),
        EventDate("*", "fomc", datetime(2026, 3, 18, 18, 0, tzinfo=UTC), "Fed"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "AAA,earnings,2026-02-04,x",
        "AAA,earnings,2026-02-04 16:05,x",
        "AAA,dividend,2026-02-04T21:05:00Z,x",
        "A B,other,2026-02-04T21:05:00Z,x",
        "AAA,other,2026-02-04T21:05:00Z,",
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "dates.csv"
    file.write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(InvalidInput, match="line 2"):
        read_events(file)


def near_earnings(bench: TradingBench) -> int:
    """A recommendation half an hour before stored earnings."""
    at = bench.clock.now() + timedelta(minutes=30)
    change(bench.db, EventDate("AAA", "earnings", at, "a calendar"))
    bench.quote("AAA")
    bench.vix(18.0)
    number = bench.recommend()
    bench.dispatch()
    return number


def test_a_stored_date_alone_keeps_no_entry_away(bench: TradingBench) -> None:
    assert bench.verdict(near_earnings(bench), "event_blackout")["passed"]
    assert len(bench.orders("entry")) == 1


def test_an_entry_near_a_stored_date_is_refused_where_the_parameters_say_so(db: Database) -> None:
    bench = TradingBench(db, Parameters(gates=GateRules(earnings_before_minutes=60)))
    verdict = bench.verdict(near_earnings(bench), "event_blackout")
    assert not verdict["passed"]
    assert verdict["observed"]["source"] == "a calendar"
    assert bench.orders("entry") == []
