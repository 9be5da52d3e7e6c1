"""What each entry of the manifest must say, and that it agrees with the code it is about."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise

import pytest

from infra.definitions import load_schedules
from infra.schedule import ticks
from ops_pipeline.domain.operations.manifest import (
    FIVE_MINUTES_OF_A_SESSION,
    MACHINES,
    STAGES,
    stage_named,
)
from ops_pipeline.domain.operations.stage import (
    AtLeastEvery,
    EveryFewMinutes,
    EveryMinute,
    NotMonitored,
    Stage,
)
from tests.unit.source_rules import PACKAGE

# The clocks go back on the first Sunday of November: the longest weekend there is.
AUTUMN = datetime(2026, 10, 26, tzinfo=UTC)
WEEKS = timedelta(weeks=2)

each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


def starters(stage: Stage) -> list[str]:
    """The machines and the schedule that start a stage."""
    machines = [machine.name for machine in MACHINES if stage.name in machine.steps]
    return [*machines, *([stage.name] if stage.starts else [])]


def complaints(stage: Stage) -> list[str]:
    """What is wrong with how a stage is started and watched."""
    found = []
    if bool(starters(stage)) == bool(stage.on_demand):
        found.append("has neither a machine nor a schedule nor somebody who calls it, or both")
    if isinstance(stage.monitoring, NotMonitored):
        if len(stage.monitoring.reason) < 20:
            found.append("is not monitored and gives no reason")
        if starters(stage) and stage.name != "healthcheck":
            found.append("is started by itself and nobody looks whether it runs")
    elif not starters(stage):
        found.append("must run and nothing starts it")
    return found


def longest_gap(stage: Stage) -> timedelta:
    targets = set(starters(stage))
    schedules = [one for one in load_schedules() if one.target in targets]
    starts = [tick.at for tick in ticks(schedules, AUTUMN, AUTUMN + WEEKS)]
    return max(later - earlier for earlier, later in pairwise(starts))


def test_each_stage_and_each_machine_has_one_entry() -> None:
    names = [one.name for one in (*STAGES, *MACHINES)]
    assert len(names) == len(set(names))
    steps = {step for machine in MACHINES for step in machine.steps}
    assert steps <= {stage.name for stage in STAGES}


@each_stage
def test_a_stage_is_started_by_something_and_monitored_or_exempt_for_a_reason(
    stage: Stage,
) -> None:
    assert complaints(stage) == []


def test_an_entry_can_not_leave_its_monitoring_out() -> None:
    with pytest.raises(TypeError, match="monitoring"):
        Stage(name="x", description="Does x.", timeout_s=5)  # type: ignore[call-arg]  # the point


@pytest.mark.parametrize(
    "stage",
    [
        replace(stage_named("discovery"), monitoring=NotMonitored("")),
        replace(stage_named("discovery"), monitoring=NotMonitored("It is not so important.")),
        replace(stage_named("discovery"), starts=None),
        replace(stage_named("discovery"), on_demand="the operator"),
        replace(stage_named("control"), monitoring=NotMonitored("")),
        replace(stage_named("control"), on_demand=None),
    ],
)
def test_an_incomplete_entry_is_noticed(stage: Stage) -> None:
    assert complaints(stage) != []


@each_stage
def test_a_stage_is_started_as_often_as_it_must_run(stage: Stage) -> None:
    if isinstance(stage.monitoring, AtLeastEvery):
        gap, limit = longest_gap(stage), stage.monitoring.limit
        assert gap < limit <= gap + timedelta(hours=2)
    if isinstance(stage.monitoring, EveryMinute):
        each = {one.starts.described for one in MACHINES if stage.name in one.steps}
        always = stage.monitoring.hours == "always"
        # One that is counted by machine may begin others as well.
        each -= {FIVE_MINUTES_OF_A_SESSION.described} if stage.serves is None else set()
        assert each == {"every minute" if always else "every minute of a session"}
    if isinstance(stage.monitoring, EveryFewMinutes):
        each = {one.starts.described for one in MACHINES if stage.name in one.steps}
        assert f"every {stage.monitoring.minutes} minutes of a session" in each


@each_stage
def test_a_stage_of_one_account_is_watched_by_account(stage: Stage) -> None:
    if isinstance(stage.monitoring, EveryMinute):
        by_account = stage.monitoring.scope in ("entry", "guard")
        assert by_account == (stage.accounts == "event")
    if stage.serves:
        assert stage.accounts in ("event", "all")


@each_stage
def test_rows_in_and_out_are_counts_of_the_stage_s_result(stage: Stage) -> None:
    counted = {count for count in (stage.rows_in, stage.rows_out) if count}
    if counted:
        outcome = import_module(f"ops_pipeline.stages.{stage.name}").Outcome
        assert counted <= {field.name for field in fields(outcome)}


@each_stage
def test_the_adapters_of_a_stage_exist(stage: Stage) -> None:
    for name in stage.adapters:
        assert (PACKAGE / "adapters" / f"{name}.py").is_file()
