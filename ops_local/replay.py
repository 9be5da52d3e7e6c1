"""Runs a recorded day through the whole pipeline, minute by minute; resumes after a kill."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from infra.definitions import load_schedules
from infra.schedule import Tick, ticks
from ops_local.database import DatabaseUrls
from ops_local.pipeline import Tally
from ops_local.replay_environment import ReplayEnvironment, ReplayPlan, Watch, opened
from ops_pipeline.domain.market import NEW_YORK, minute_of
from ops_pipeline.errors import CommitUnknown, DatabaseUnavailable

__all__ = ["Interrupted", "ReplayPlan", "Replayed", "replay"]

T = TypeVar("T")

_DATABASE_GONE = (DatabaseUnavailable.__name__, CommitUnknown.__name__)


class Interrupted(RuntimeError):
    """The replay stopped before its end; the same command resumes it."""


@dataclass(frozen=True, slots=True)
class Replayed(Generic[T]):
    """A finished replay: the tally, the broker's tables, and what `after` returned.

    Attributes:
        tally: Since this process started: only the later part of a resumed replay.
    """

    tally: Tally
    broker_tables: dict[str, list[dict[str, Any]]]
    result: T
    resumed: bool


def replay(
    plan: ReplayPlan,
    watch: Watch,
    after: Callable[[DatabaseUrls], T],
    pace: Callable[[datetime], bool] = lambda _minute: True,
) -> Replayed[T]:
    """Run every tick of the day in order.

    Args:
        plan: What to replay.
        watch: Called after each minute with its time and the tally so far.
        after: Called at the end, while the database still runs.
        pace: Called before each minute; may wait; False stops the replay there.

    Raises:
        InvalidInput: the overlay names no parameter, or the database holds runs already.
        Interrupted: it was stopped, or Postgres went away; what was done is kept.
    """
    with opened(plan) as environment:
        _, last = plan.bounds
        # Resumed within a minute: what of it was done says so, and is not done again.
        first = minute_of(environment.clock.now())
        for tick in ticks(load_schedules(), first, last):
            if tick.at > environment.clock.at and not pace(tick.at):
                raise Interrupted(f"stopped at {_local(environment.clock.at)}")
            environment.advance(tick.at, watch)
            _run(environment, tick)
        watch(minute_of(environment.clock.now()), environment.pipeline.tally)
        return Replayed(
            environment.pipeline.tally,
            environment.exchange.tables(),
            after(environment.urls),
            environment.resumed,
        )


def _run(environment: ReplayEnvironment, tick: Tick) -> None:
    """Run what is due; stop if Postgres is gone, as every later minute would fail too."""
    known = len(environment.pipeline.tally.failures)
    environment.pipeline.run(tick)
    for failure in environment.pipeline.tally.failures[known:]:
        if failure.error in _DATABASE_GONE:
            raise Interrupted(f"Postgres went away at {_local(tick.at)}: {failure}")


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(NEW_YORK):%H:%M} New York"
