"""The deployed pipeline on this machine: the same handlers, machines and schedules."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from infra.definitions import load_functions, load_machines
from infra.schedule import Tick
from ops_pipeline.domain.operations.stage import Stage

if TYPE_CHECKING:
    from ops_local.engine.engine import Engine

Handler = Callable[[Any, Any], dict[str, Any]]

# `ops up` runs for weeks.
FAILURES_KEPT = 10_000


@dataclass
class ReplayClock:
    """The recording's clock: it stands still until the replay moves it."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class LocalContext:
    """The parts of a Lambda context that handlers use."""

    function: Stage
    aws_request_id: str = "local"

    @property
    def invoked_function_arn(self) -> str:
        return f"local:{self.function.name}"

    def get_remaining_time_in_millis(self) -> int:
        return self.function.timeout_s * 1000


@dataclass
class StageTally:
    """One stage so far: runs, failures and the sums of the counts in its results."""

    runs: int = 0
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Failure:
    """A machine or function that failed."""

    at: datetime
    target: str
    error: str
    cause: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%dT%H:%MZ} {self.target}: {self.error}: {self.cause}"


@dataclass
class Tally:
    """All stages so far, with the newest failures.

    Attributes:
        told: Called with each failure as it happens, in the thread in which it does.
        failed_ever: How many there were, also those that are no longer kept.
    """

    stages: defaultdict[str, StageTally] = field(default_factory=lambda: defaultdict(StageTally))
    failures: list[Failure] = field(default_factory=list)
    told: Callable[[Failure], None] = lambda _failure: None
    failed_ever: int = 0

    def note(self, failure: Failure) -> None:
        """Keep a failure; of those of many days the newest."""
        self.failed_ever += 1
        self.failures.append(failure)
        if len(self.failures) > 2 * FAILURES_KEPT:
            del self.failures[:-FAILURES_KEPT]
        self.told(failure)

    def add(self, stage: str, result: Mapping[str, Any]) -> None:
        tally = self.stages[stage]
        tally.runs += 1
        for name, value in result.items():
            if isinstance(value, int):
                tally.counts[name] += int(value)

    def failed(self, stage: str) -> None:
        self.stages[stage].runs += 1
        self.stages[stage].failed += 1


@cache
def handler_of(stage: str) -> Handler:
    """The Lambda handler of a stage."""
    module = import_module(f"functions.{stage}.handler")
    return module.lambda_handler  # type: ignore[no-any-return]


class Pipeline:
    """Runs ticks through the state machines with the runtime of its process or thread.

    Args:
        elapsed_s: Monotonic seconds for time-outs; None disables them.
        wait_scale: Factor on the seconds that machines wait between attempts.
        wait: Passes the seconds that a machine waits for; by default nobody waits.
        tally: Counts runs and failures; a new one if omitted.
    """

    def __init__(
        self,
        *,
        elapsed_s: Callable[[], float] | None = None,
        wait_scale: float = 0.0,
        wait: Callable[[float], None] = lambda _seconds: None,
        tally: Tally | None = None,
    ) -> None:
        self.tally = Tally() if tally is None else tally
        self._functions = load_functions()
        self._wait_scale, self._wait = wait_scale, wait
        self._elapsed_s = elapsed_s

    @cached_property
    def _engine(self) -> "Engine":
        # Imported here (PLC0415): moto takes two seconds, and calling one handler needs none of it.
        from ops_local.engine.engine import Engine  # noqa: PLC0415

        return Engine(load_machines(), self.invoke, self._wait_scale, self._elapsed_s, self._wait)

    def prepare(self) -> None:
        """Parse the machines now: it takes seconds, which the first tick should not wait for."""
        self._engine  # noqa: B018 - made when it is first asked for

    def invoke(self, stage: str, event: Any) -> dict[str, Any]:
        """Call one handler as Lambda does: JSON in, JSON out, errors raised."""
        context = LocalContext(self._functions[stage])
        try:
            answer = handler_of(stage)(json.loads(json.dumps(event)), context)
        except Exception:
            self.tally.failed(stage)
            raise
        result: dict[str, Any] = json.loads(json.dumps(answer))
        self.tally.add(stage, result)
        return result

    def run(self, tick: Tick) -> None:
        """Run what is due; a failure is recorded in the tally and the next tick still runs."""
        if tick.kind == "machine":
            execution = self._engine.run(tick.target, tick.event)
            if execution.status != "SUCCEEDED":
                self._note(tick, execution.error or execution.status, execution.cause or "")
            return
        try:
            self.invoke(tick.target, tick.event)
        except Exception as error:  # noqa: BLE001 - as in AWS, the next tick still runs
            self._note(tick, type(error).__name__, str(error))

    def _note(self, tick: Tick, error: str, cause: str) -> None:
        self.tally.note(Failure(tick.at, tick.target, error, cause))
