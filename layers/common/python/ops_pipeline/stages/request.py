"""The events that stages accept; anything else is refused before anything is done."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from ops_pipeline.domain.market import minute_of


def _to_minute(moment: datetime) -> datetime:
    return minute_of(moment.astimezone(UTC))


def _is_written_out(moment: object) -> object:
    """A number would be read as seconds since 1970: 0 is a tick of that year."""
    if isinstance(moment, datetime):
        return moment
    if not isinstance(moment, str) or not moment[4:5] == "-":
        raise ValueError("must be a time such as 2026-02-04T14:31:00Z, never a number")
    return moment


# The schedule's time: UTC, a whole minute.
Tick = Annotated[AwareDatetime, BeforeValidator(_is_written_out), AfterValidator(_to_minute)]


class TickRequest(BaseModel):
    """One tick of a stage that serves all accounts.

    The entrypoint sets a missing `tick` to the current minute.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick: Tick = Field(description="The schedule's time, for example 2026-02-04T14:31:00Z.")
    dry_run: bool = Field(default=False, description="Decide everything, store nothing.")


class TrialRequest(TickRequest):
    """One tick, or one thing to try, of which nothing is stored."""

    trial: str | None = Field(default=None, min_length=1, max_length=2_000)

    @model_validator(mode="after")
    def _stores_nothing(self) -> Self:
        if self.trial is not None and not self.dry_run:
            raise ValueError("trial: it needs dry_run, since nothing of it is stored")
        return self


class AccountRequest(TickRequest):
    """One tick of a stage that serves one account."""

    account: str = Field(
        min_length=1, max_length=50, description="The account's name, as in `accounts`."
    )


class ReconcileRequest(TickRequest):
    """One tick of the reconciler: of one account, or of all that are guarded."""

    account: str | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="One account's name, as in `accounts`; all guarded ones if omitted.",
    )


class ClockRequest(TickRequest):
    """One tick of a whole state machine, at its start."""

    machine: str = Field(
        default="console", pattern="^[a-z_]{1,40}$", description="The state machine that asks."
    )
