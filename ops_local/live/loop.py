"""Runs the schedules on the wall clock: gives each minute's ticks to the workers."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

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

Idle = Callable[[], bool]
Watch = Callable[[datetime, Tally], None]


class Wall(Clock, Protocol):
    """A clock that can be waited for: this machine's, or one that is faster."""

    def wait(self, seconds: float, idle: Idle) -> bool:
        """Return once so many of its seconds have passed, False, or at the end, True.

        `idle` says whether all that was started has ended; this machine's clock does not ask.
        """
        ...

    def rest(self, seconds: float) -> None:
        """Let one worker wait so long, or until the end."""
        ...


@dataclass(frozen=True, slots=True)
class WallUntil:
    """A clock with its own pace until it is told to stop."""

    clock: Clock
    stop: threading.Event

    def now(self) -> datetime:
        return self.clock.now()

    def wait(self, seconds: float, idle: Idle) -> bool:  # noqa: ARG002 - see `Wall`
        return self.stop.wait(max(seconds, 0))

    def rest(self, seconds: float) -> None:
        self.stop.wait(seconds)


def run(
    variables: Mapping[str, str],
    wall: Wall,
    *,
    watch: Watch,
    tally: Tally | None = None,
) -> Tally:
    """Start what is due each minute until the wall's `wait` returns True.

    Args:
        variables: The environment of the handlers.
        wall: What time it is, and how to wait. Running ticks are finished before it returns.
        watch: Called each minute with its time and the tally so far. Its errors are logged and
            stop nothing: whoever looked on may have gone.
        tally: Counts runs and failures; a new one if omitted.
    """
    tally = Tally() if tally is None else tally
    schedules = _guard_first(load_schedules())
    # Imports moto and parses the machines before the first tick; the workers reuse both.
    Pipeline().prepare()
    _take_over(variables, wall, schedules)
    workers = Workers(variables, wall, tally, wall.rest)
    try:
        for schedule in schedules:
            workers.start(schedule.target)
        minute = minute_of(wall.now()) + MINUTE
        while not wall.wait((minute - wall.now()).total_seconds(), workers.are_idle):
            for tick in ticks(schedules, minute, minute + MINUTE):
                workers.give(tick)
            _watched(watch, minute, tally)
            minute += MINUTE
            # Minutes that the computer slept through are skipped, not made up for.
            minute = max(minute, minute_of(wall.now() - timedelta(seconds=30)) + MINUTE)
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
