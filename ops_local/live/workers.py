"""One supervised thread for each target of the schedules: what dies is started again, and told.

Isolation by construction: a worker has a runtime of its own (database, broker, market data), its
errors reach nobody but its supervisor, and a thread that ended all the same is replaced at its
target's next tick.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue
from time import perf_counter

from infra.schedule import Tick
from ops_local.pipeline import Failure, Pipeline, Tally
from ops_pipeline.db import runs
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.operations.alerts import Alert, AlertKey, worker_died
from ops_pipeline.domain.operations.manifest import severity_of
from ops_pipeline.execution.isolation import what_failed
from ops_pipeline.ports import Clock
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime

# Seconds before a worker starts again, growing with each death; the last one repeats.
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
# Without a death for so long, its alert is resolved and the next pause is the first again.
QUIET_FOR = timedelta(minutes=5)
# A tick is tried once more: a machine that runs twice a day should not wait for its next turn.
ATTEMPTS = 2

Serve = Callable[[Tick], None]
Serving = Callable[[], AbstractContextManager[Serve]]

_END = None


def owner_of(target: str) -> str:
    """The owner of a worker's leases: they are given up when it starts again."""
    return f"local/{target}"


@dataclass
class DeathAlerts:
    """Opens and resolves the alert of a worker that died, on a connection of its own."""

    variables: Mapping[str, str]
    clock: Clock

    def open(self, alert: Alert) -> bool:
        """Open it, and give up the leases that the worker held: the next run needs them.

        Returns whether that could be stored; the worker goes on also when not.
        """

        def store(tx: Transaction) -> None:
            alerts.open_alert(tx, alert, now=self.clock.now())
            runs.abandon_owner(tx, owner=owner_of(alert.subject), now=self.clock.now())

        return self._done(store)

    def resolve(self, target: str) -> bool:
        """Returns whether that could be stored."""
        key = AlertKey("worker_died", "*", target)
        return self._done(lambda tx: alerts.resolve_alert(tx, key, now=self.clock.now()))

    def _done(self, work: Callable[[Transaction], object]) -> bool:
        try:
            with self._writing() as tx:
                work(tx)
        except Exception as error:  # noqa: BLE001 - tried again after the next tick
            log.went_wrong("worker_alert_not_stored", error=what_failed(error))
            return False
        return True

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with (
            closing(Runtime(self.variables, self.clock)) as runtime,
            runtime.database.transaction() as tx,
        ):
            yield tx


@dataclass
class Worker:
    """Runs one target's ticks in order, for ever.

    Attributes:
        serving: Opens what a run needs, anew after each death.
        ended: Set when `ops up` stops: pauses are cut short.
        given, finished: How many ticks it got, and how many it ran or gave up.
    """

    target: str
    serving: Serving
    clock: Clock
    tally: Tally
    alerts: DeathAlerts
    ended: threading.Event
    todo: "SimpleQueue[Tick | None]" = field(default_factory=SimpleQueue)
    given: int = 0
    finished: int = 0
    _tick: Tick | None = None
    _attempts: int = 0
    _deaths: int = 0
    _died_at: datetime | None = None
    _untold: Alert | None = None
    _settled: bool = False

    def give(self, tick: Tick) -> None:
        """Have it run this tick after those before it."""
        self.given += 1
        self.todo.put(tick)

    def run(self) -> None:
        """Serve until told to end; returns only then."""
        while True:
            try:
                with self.serving() as serve:
                    self._serve_all(serve)
            except BaseException as error:  # noqa: BLE001 - nobody else would hear of it in a thread
                self._died(error)
            else:
                return
            if self.ended.wait(PAUSES_S[min(self._deaths, len(PAUSES_S)) - 1]):
                return

    def _serve_all(self, serve: Serve) -> None:
        while (tick := self._next()) is not None:
            self._attempts += 1
            serve(tick)
            self._tick = None
            self._settle()
            self.finished += 1

    def _next(self) -> Tick | None:
        """The tick that the last death cut off, once; else the next one."""
        if self._tick is None or self._attempts >= ATTEMPTS:
            if self._tick is not None:
                self.finished += 1
            self._tick, self._attempts = self.todo.get(), 0
        return self._tick

    def _died(self, error: BaseException) -> None:
        now = self.clock.now()
        self._deaths += 1
        self._died_at, self._settled = now, False
        log.went_wrong("worker_died", target=self.target, error=what_failed(error))
        at = now if self._tick is None else self._tick.at
        self.tally.note(Failure(at, self.target, type(error).__name__, what_failed(error)))
        alert = worker_died(self.target, what_failed(error), severity_of(self.target))
        self._untold = None if self.alerts.open(alert) else alert

    def _settle(self) -> None:
        """After a tick: open the alert that could not be opened, or resolve one that is over."""
        if self._untold is not None:
            if self.alerts.open(self._untold):
                self._untold = None
        elif not self._settled and self._is_quiet():
            self._settled = self.alerts.resolve(self.target)
            self._deaths = 0

    def _is_quiet(self) -> bool:
        return self._died_at is None or self.clock.now() - self._died_at >= QUIET_FOR


class Workers:
    """The workers of all targets, each in a thread; a thread that ended is replaced."""

    def __init__(
        self,
        variables: Mapping[str, str],
        clock: Clock,
        tally: Tally,
        rest: Callable[[float], None],
    ) -> None:
        self._variables, self._clock, self._tally, self._rest = variables, clock, tally, rest
        self._alerts = DeathAlerts(variables, clock)
        self._ended = threading.Event()
        self._running: dict[str, tuple[Worker, threading.Thread]] = {}

    def start(self, target: str) -> Worker:
        """The worker of a target, with a thread that lives."""
        worker, thread = self._running.get(target, (None, None))
        if worker is None:
            worker = self._worker(target)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=worker.run, name=target)
            thread.start()
            self._running[target] = (worker, thread)
        return worker

    def give(self, tick: Tick) -> None:
        """Have its worker run this tick; whatever prevents that concerns this target alone."""
        try:
            self.start(tick.target).give(tick)
        except Exception as error:  # noqa: BLE001 - the other targets of this minute are due as well
            self._tally.note(
                Failure(tick.at, tick.target, type(error).__name__, what_failed(error))
            )

    def are_idle(self) -> bool:
        """Whether each has done all that it was given."""
        return all(worker.finished == worker.given for worker, _ in self._running.values())

    def end(self) -> None:
        """Let each finish what it was given, and wait for that."""
        self._ended.set()
        for worker, _ in self._running.values():
            worker.todo.put(_END)
        for _, thread in self._running.values():
            thread.join()

    def _worker(self, target: str) -> Worker:
        return Worker(
            target=target,
            serving=lambda: self._serving(target),
            clock=self._clock,
            tally=self._tally,
            alerts=self._alerts,
            ended=self._ended,
        )

    @contextmanager
    def _serving(self, target: str) -> Iterator[Serve]:
        """A runtime and a pipeline for the calling thread."""
        owner = owner_of(target)
        with closing(Runtime(self._variables, self._clock, owner=owner)) as runtime:
            wiring.use_in_thread(runtime)
            yield Pipeline(
                elapsed_s=perf_counter, wait_scale=1.0, wait=self._rest, tally=self._tally
            ).run
