"""Turns a stage into a Lambda handler: event validation, run row, lease, error recording."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from time import perf_counter
from typing import Any, Literal, TypeVar

from ops_pipeline.db import runs
from ops_pipeline.db.driver.connection import log_message, safe_to_raise
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import minute_of
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.event import Handler, read_event
from ops_pipeline.runtime.settings import environment
from ops_pipeline.runtime.wiring import Deps, Runtime
from ops_pipeline.stages.request import (
    AccountRequest,
    ClockRequest,
    ReconcileRequest,
    TickRequest,
)

R = TypeVar("R", bound=TickRequest)
Status = Literal["run", "dry_run"] | runs.Refusal

# A lease outlasts its function, so that a run is never taken over while its Lambda may
# still be working; but not by much, or a run that died unrecorded blocks the next ticks.
LEASE_MARGIN_S = 15.0
# Without a Lambda context to give the time left: longer than any function's time-out.
LEASE_WITHOUT_CONTEXT_S = 330.0
OLDEST_TICK_S = 120.0
# Where the broker is touched. A tick names its orders and its run: one long past would repeat
# that minute's ids, one to come would use that minute up. Longer than the longest machine.
OLDEST_BROKER_TICK_S = 600.0
FURTHEST_BROKER_TICK_S = 60.0


def entrypoint(
    stage: str,
    *,
    request: type[R],
    first_in_machine: bool = False,
    repeatable: bool = False,
) -> Callable[[Callable[[R, Deps], Any]], Handler]:
    """Turn `function(request, deps) -> Outcome` into a Lambda handler.

    Args:
        stage: Name of the function, as in pipeline_runs.
        request: Model of the event, `{}` being the current minute; what does not fit is refused.
        first_in_machine: Drop ticks older than 120 s with status "too_old".
        repeatable: The stage only reads: it answers a finished tick again.

    A stage that touches the broker refuses a tick away from the clock.
    The handler returns `{"status": "run", **counts}`, or only a status when there was
    nothing to do. It raises InvalidInput, SchemaBehind, and the first error of the stage,
    which is recorded in pipeline_runs in a transaction of its own.
    """

    wiring.warm_up(stage, environment())
    touches_the_broker = stage_named(stage).touches_the_broker

    def decorate(function: Callable[[R, Deps], Any]) -> Handler:
        @wraps(function)
        def handler(event: Any, context: Any = None) -> dict[str, Any]:
            runtime = wiring.current()
            asked = read_event(event, request, tick=minute_of(runtime.clock.now()))
            if touches_the_broker:
                _require_present(asked.tick, runtime.clock.now())
            if first_in_machine and _too_old(asked.tick, runtime.clock.now()):
                return {"status": "too_old"}
            with runtime.serving(stage):
                return _serve(runtime, stage, asked, context, function, repeatable=repeatable)

        return handler

    return decorate


def _serve(
    runtime: Runtime,
    stage: str,
    asked: R,
    context: Any,
    function: Callable[[R, Deps], Any],
    *,
    repeatable: bool,
) -> dict[str, Any]:
    runtime.require_schema()
    if asked.dry_run:
        return _answer("dry_run", function(asked, Deps(runtime, _NO_LEASE, dry_run=True)))
    lease = _take(runtime, stage, asked, context)
    if lease == "already_done" and repeatable:
        return _answer("already_done", function(asked, Deps(runtime, _NO_LEASE, True)))
    if isinstance(lease, str):
        return {"status": lease}
    return _run(runtime, stage, lease, lambda deps: function(asked, deps))


# Nothing is sent without one.
_NO_LEASE = runs.Lease(
    run_id=stable_uuid("no lease"), attempt=0, expires_at=datetime.min.replace(tzinfo=UTC)
)


def _too_old(tick: datetime, now: datetime) -> bool:
    return (now - tick).total_seconds() > OLDEST_TICK_S


def _require_present(tick: datetime, now: datetime) -> None:
    age_s = (now - tick).total_seconds()
    if not -FURTHEST_BROKER_TICK_S <= age_s <= OLDEST_BROKER_TICK_S:
        raise InvalidInput(
            f"tick: {tick:%Y-%m-%dT%H:%M:%SZ} is {abs(age_s):.0f} s "
            f"{'ahead of' if age_s < 0 else 'behind'} the clock, and this stage touches the broker"
        )


def _scope(asked: TickRequest) -> str:
    match asked:
        case AccountRequest():
            return asked.account
        case ReconcileRequest():
            return asked.account or runs.EVERYTHING
        case ClockRequest():
            return asked.machine
        case _:
            return runs.EVERYTHING


def _take(
    runtime: Runtime, stage: str, asked: TickRequest, context: Any
) -> runs.Lease | runs.Refusal:
    owner = runtime.owner or str(getattr(context, "aws_request_id", "console"))
    return runs.take(
        runtime.database,
        stage=stage,
        tick=asked.tick,
        scope=_scope(asked),
        owner=owner,
        now=runtime.clock.now(),
        lease_s=_lease_s(context),
    )


def _lease_s(context: Any) -> float:
    if context is None:
        return LEASE_WITHOUT_CONTEXT_S
    return float(context.get_remaining_time_in_millis()) / 1000 + LEASE_MARGIN_S


def _run(
    runtime: Runtime, stage: str, lease: runs.Lease, work: Callable[[Deps], Any]
) -> dict[str, Any]:
    started = perf_counter()
    try:
        answer = _answer("run", work(Deps(runtime, lease, dry_run=False)))
        duration_ms = (perf_counter() - started) * 1000
        with runtime.database.transaction() as tx:
            runs.succeed(tx, lease, counts=answer, now=runtime.clock.now(), duration_ms=duration_ms)
    except Exception as error:
        _record_failure(runtime, stage, lease, error, (perf_counter() - started) * 1000)
        if safe_to_raise(error) is not error:
            # Lambda logs the message of what is raised.
            raise safe_to_raise(error) from None
        raise
    log.happened("stage_finished", stage=stage, **answer)
    log.count_run(stage, failed=False, duration_ms=duration_ms)
    return answer


def _record_failure(
    runtime: Runtime, stage: str, lease: runs.Lease, error: Exception, duration_ms: float
) -> None:
    """Log the error before recording it: the database may be what failed."""
    log.went_wrong(
        "stage_failed", stage=stage, error=type(error).__name__, message=log_message(error)
    )
    log.count_run(stage, failed=True, duration_ms=duration_ms)
    try:
        with runtime.database.transaction() as tx:
            runs.fail(tx, lease, error=error, now=runtime.clock.now(), duration_ms=duration_ms)
    except Exception as second:  # noqa: BLE001 - the caller must see the first error, not this one
        log.went_wrong("run_not_recorded", stage=stage, error=type(second).__name__)


def _answer(status: Status, outcome: Any) -> dict[str, Any]:
    return {"status": status, **asdict(outcome)}
