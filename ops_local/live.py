"""Runs the schedules on the wall clock, with one thread for each machine or function."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue
from time import perf_counter

from infra.definitions import load_schedules
from infra.schedule import Tick, ticks
from ops_local.pipeline import Pipeline, Tally
from ops_pipeline.db import runs
from ops_pipeline.domain.market import MINUTE, minute_of
from ops_pipeline.ports import Clock
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime

OWNER = "local"

Wait = Callable[[float], bool]


@dataclass
class _Worker:
    """Runs one target's ticks in order, with its own database and broker connections."""

    variables: Mapping[str, str]
    clock: Clock
    tally: Tally
    todo: "SimpleQueue[Tick | None]" = field(default_factory=SimpleQueue)

    def run(self) -> None:
        with closing(Runtime(self.variables, self.clock, owner=OWNER)) as runtime:
            wiring.use_in_thread(runtime)
            pipeline = Pipeline(elapsed_s=perf_counter, wait_scale=1.0, tally=self.tally)
            while (tick := self.todo.get()) is not None:
                pipeline.run(tick)


@contextmanager
def _workers(
    variables: Mapping[str, str], clock: Clock, tally: Tally
) -> Iterator[Callable[[Tick], None]]:
    """Start a thread for each target at its first tick; wait for all of them at the end."""
    started: dict[str, tuple[_Worker, threading.Thread]] = {}

    def give(tick: Tick) -> None:
        if tick.target not in started:
            worker = _Worker(variables, clock, tally)
            thread = threading.Thread(target=worker.run, name=tick.target)
            thread.start()
            started[tick.target] = (worker, thread)
        started[tick.target][0].todo.put(tick)

    try:
        yield give
    finally:
        for worker, _ in started.values():
            worker.todo.put(None)
        for _, thread in started.values():
            thread.join()


def run(
    variables: Mapping[str, str],
    clock: Clock,
    *,
    wait: Wait,
    watch: Callable[[datetime, Tally], None],
) -> Tally:
    """Start what is due each minute until `wait` returns True.

    Args:
        variables: The environment of the handlers.
        wait: Waits that many seconds; True means stop. Running ticks are finished first.
        watch: Called each minute with its time and the tally so far.
    """
    tally = Tally()
    schedules = load_schedules()
    # Imports moto and parses the machines before the first tick; the workers reuse both.
    Pipeline().prepare()
    with ExitStack() as stack:
        _take_over(variables, clock)
        give = stack.enter_context(_workers(variables, clock, tally))
        minute = minute_of(clock.now()) + MINUTE
        while not wait((minute - clock.now()).total_seconds()):
            for tick in ticks(schedules, minute, minute + MINUTE):
                give(tick)
            watch(minute, tally)
            minute += MINUTE
            # Minutes that the computer slept through are skipped, not made up for.
            minute = max(minute, minute_of(clock.now() - timedelta(seconds=30)) + MINUTE)
    return tally


def _take_over(variables: Mapping[str, str], clock: Clock) -> None:
    """Abandon the leases of a runner that died: only one runs at a time."""
    with (
        closing(Runtime(variables, clock, owner=OWNER)) as runtime,
        runtime.database.transaction() as tx,
    ):
        runs.abandon_owner(tx, owner=OWNER, now=clock.now())
