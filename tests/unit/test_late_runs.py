"""What is overdue: each stage's newest run against the last start of its schedule."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from ops_local.late_runs import Duty, duties, late
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.operations.manifest import MACHINES, STAGES

WEDNESDAY = date(2026, 2, 4)
LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)
OWED = list(duties({"entry": ["large"], "guard": ["large", "tiny"]}))
CALENDAR = NyseCalendar()


def all_ran(at: datetime) -> dict[tuple[str, str], datetime]:
    """As a pipeline leaves it that ran everything until that moment."""
    newest: dict[tuple[str, str], datetime] = {}
    for duty in OWED:
        due = duty.last_due(at, CALENDAR)
        if due is not None:
            key = (duty.stage, duty.scope)
            newest[key] = max(due, newest.get(key, due))
    return newest


def found(
    now: datetime,
    newest: Mapping[tuple[str, str], datetime],
    owed: list[Duty] = OWED,
    began: datetime = LONG_AGO,
) -> set[tuple[str, str]]:
    return {
        (str(row["stage"]), str(row["scope"])) for row in late(now, began, newest, owed, CALENDAR)
    }


def test_every_scheduled_stage_is_owed_by_the_manifest() -> None:
    scheduled = {step for machine in MACHINES for step in machine.steps}
    scheduled |= {stage.name for stage in STAGES if stage.starts}
    assert {duty.stage for duty in OWED} == scheduled
    assert {duty.scope for duty in OWED if duty.stage == "position_manager"} == {"large", "tiny"}


def test_while_all_runs_nothing_is_late() -> None:
    for hour in (4, 9, 12, 16, 17, 23):
        now = new_york_time(WEDNESDAY, hour, 31)
        assert found(now, all_ran(now)) == set()


def test_ten_minutes_after_a_kill_in_a_session_the_guard_is_late_for_each_account() -> None:
    now = new_york_time(WEDNESDAY, 11)
    missing = found(now + timedelta(minutes=10), all_ran(now))
    assert missing >= {("position_manager", "large"), ("position_manager", "tiny")}
    assert missing >= {("dispatcher", "large"), ("rss_ingest", "*"), ("healthcheck", "*")}
    assert ("discovery", "*") not in missing


def test_at_night_news_and_healthcheck_tell_that_nothing_runs() -> None:
    killed = new_york_time(WEDNESDAY, 18)
    missing = found(killed + timedelta(hours=5), all_ran(killed))
    assert missing == {("rss_ingest", "*"), ("classifier", "*"), ("healthcheck", "*")}


def test_a_day_without_a_session_owes_no_trading_and_a_weekday_its_daily_cycle() -> None:
    holiday = date(2026, 2, 16)
    now = new_york_time(holiday, 12)
    newest = all_ran(new_york_time(date(2026, 2, 13), 18))
    assert found(now, newest) >= {("report", "*"), ("reconciler", "*")}
    assert not {stage for stage, _ in found(now, newest)} & {"telemetry", "position_manager"}


def test_one_account_that_nobody_guards_is_late_alone() -> None:
    now = new_york_time(WEDNESDAY, 11)
    newest = {**all_ran(now), ("position_manager", "tiny"): now - timedelta(hours=1)}
    assert found(now, newest) == {("position_manager", "tiny")}


def test_what_was_due_before_the_first_run_is_not_owed() -> None:
    began = new_york_time(WEDNESDAY, 11)
    now = began + timedelta(minutes=10)
    assert ("discovery", "*") not in found(now, {}, began=began)
    assert ("rss_ingest", "*") in found(now, {}, began=began)


def test_a_run_has_the_time_that_its_machine_may_take() -> None:
    now = new_york_time(WEDNESDAY, 11)
    guard = [duty for duty in OWED if (duty.stage, duty.scope) == ("position_manager", "tiny")]
    newest = {("position_manager", "tiny"): now}
    assert found(now + timedelta(minutes=4), newest, guard) == set()
    assert found(now + timedelta(minutes=5), newest, guard) == {("position_manager", "tiny")}
