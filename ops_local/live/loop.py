"""Runs the schedules on the wall clock: gives each minute's ticks to the workers."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta

from infra.definitions import load_schedules
from infra.schedule import Schedule, ticks
from ops_local.live.workers import Workers, owner_of
from ops_local.pipeline import Pipeline, Tally
from ops_pipeline.db import runs
from ops_pipeline.domain.market import MINUTE, minute_of
from ops_pipeline.domain.operations.manifest import severity_of
from ops_pipeline.execution.isolation import what_failed
from ops_pipeline.ports import Clock
from ops_pipeline.runtime import log
from ops_pipeline.runtime.wiring import Runtime

# Before each worker had its own.
_FORMER_OWNER = "local"

Wait = Callable[[float], bool]
Watch = Callable[[datetime, Tally], None]


def run(
    variables: Mapping[str, str],
    clock: Clock,
    *,
    wait: Wait,
    watch: Watch,
    tally: Tally | None = None,
) -> Tally:
    """Start what is due each minute until `wait` returns True.

    Args:
        variables: The environment of the handlers.
        wait: Waits that many seconds; True means stop. Running ticks are finished first.
        watch: Called each minute with its time and the tally so far. Its errors are logged and
            stop nothing: whoever looked on may have gone.
        tally: Counts runs and failures; a new one if omitted.
    """
    tally = Tally() if tally is None else tally
    schedules = _guard_first(load_schedules())
    # Imports moto and parses the machines before the first tick; the workers reuse both.
    Pipeline().prepare()
    _take_over(variables, clock, schedules)
    workers = Workers(variables, clock, tally)
    try:
        for schedule in schedules:
            workers.start(schedule.target)
        minute = minute_of(clock.now()) + MINUTE
        while not wait((minute - clock.now()).total_seconds()):
            for tick in ticks(schedules, minute, minute + MINUTE):
                workers.give(tick)
            _watched(watch, minute, tally)
            minute += MINUTE
            # Minutes that the computer slept through are skipped, not made up for.
            minute = max(minute, minute_of(clock.now() - timedelta(seconds=30)) + MINUTE)
    finally:
        workers.end()
    return tally


def _guard_first(schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
    """What positions depend on gets its thread, and each minute its tick, before the others."""
    return tuple(sorted(schedules, key=lambda it: severity_of(it.target) != "critical"))


def _watched(watch: Watch, minute: datetime, tally: Tally) -> None:
    try:
        watch(minute, tally)
    except Exception as error:  # noqa: BLE001 - see `run`
        log.went_wrong("progress_not_shown", error=what_failed(error))


def _take_over(variables: Mapping[str, str], clock: Clock, schedules: tuple[Schedule, ...]) -> None:
    """Abandon the leases of a runner that died: only one runs at a time."""
    owners = [_FORMER_OWNER, *(owner_of(schedule.target) for schedule in schedules)]
    with (
        closing(Runtime(variables, clock)) as runtime,
        runtime.database.transaction() as tx,
    ):
        for owner in owners:
            runs.abandon_owner(tx, owner=owner, now=clock.now())
