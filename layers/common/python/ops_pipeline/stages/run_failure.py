"""Records a failed state of a state machine: log and metric, then alert, then run."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ops_pipeline.db import runs
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.legible import legible
from ops_pipeline.domain.operations.alerts import Alert
from ops_pipeline.ports import Clock
from ops_pipeline.stages.request import Tick

_LEASE_S = 60.0


def _cut(length: int) -> BeforeValidator:
    """Truncates a text and replaces what Postgres refuses: neither may prevent the record."""
    return BeforeValidator(lambda text: legible(text[:length]) if isinstance(text, str) else text)


class Request(BaseModel):
    """What a state machine's Catch passes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick: Tick = Field(description="The machine's tick.")
    machine: str = Field(pattern="^[a-z_]{1,40}$", description="The machine that failed.")
    state: str = Field(pattern="^[A-Za-z]{1,40}$", description="The state that failed.")
    account: Annotated[str | None, _cut(50)] = Field(
        default=None, description="The account it failed for, if it serves one."
    )
    error: Annotated[str, _cut(200)] = Field(description="The error's name.")
    cause: Annotated[str, _cut(2000)] = Field(default="", description="Lambda's message.")

    @property
    def subject(self) -> str:
        account = f"/{self.account}" if self.account else ""
        return f"{self.machine}/{self.state}{account}"

    @property
    def stage(self) -> str:
        """The function behind the state: PositionManager is position_manager."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.state).lower()


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is run, or already_done if this failure had been recorded."""

    status: str
    alert_opened: bool


def run(request: Request, *, db: UnitsOfWork, clock: Clock, owner: str) -> Outcome:
    """Open the alert, then record the failure as a run.

    Two units of work: the alert stays even if the run cannot be recorded.
    """
    now = clock.now()
    with db.transaction() as tx:
        opened = alerts.open_alert(tx, _alert(request), now=now)
    return Outcome(_record(request, db, clock, owner), opened)


def _record(request: Request, db: UnitsOfWork, clock: Clock, owner: str) -> str:
    lease = runs.take(
        db,
        stage="run_failure",
        tick=request.tick,
        scope=request.subject[:50],
        owner=owner,
        now=clock.now(),
        lease_s=_LEASE_S,
    )
    if isinstance(lease, str):
        return lease
    with db.transaction() as tx:
        runs.succeed(tx, lease, counts=_facts(request), now=clock.now(), duration_ms=0)
    return "run"


def _alert(request: Request) -> Alert:
    return Alert(
        kind="stage_failed",
        scope=runs.EVERYTHING,
        subject=request.subject,
        severity="warning",
        message=f"{request.state} of {request.machine} failed with {request.error}",
        details=_facts(request),
    )


def _facts(request: Request) -> dict[str, Any]:
    return {
        "tick": request.tick,
        "stage": request.stage,
        "account": request.account,
        "error": request.error,
        "cause": request.cause,
    }
