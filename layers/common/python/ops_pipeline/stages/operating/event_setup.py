"""The dates of events as an operator imports them: validated, written, recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ops_pipeline.db.market_state import event_dates
from ops_pipeline.db.operations import operator as actions
from ops_pipeline.db.operations.operator import OperatorAction
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.market_state.event_dates import EventDate, EventKind, problem_with
from ops_pipeline.errors import InvalidInput
from ops_pipeline.ports import Clock

MOST_EVENTS_AT_ONCE = 5_000
EventsChange = Literal["add", "remove"]
_RECORDED: Mapping[EventsChange, OperatorAction] = {
    "add": "events_add",
    "remove": "events_remove",
}
_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsCommand:
    """One command of an operator; "remove" does not look at sources."""

    change: EventsChange
    operator: str
    reason: str
    events: Sequence[EventDate]


class RequestedEvent(BaseModel):
    """One event; EventDate explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticker: str
    kind: EventKind
    at: AwareDatetime
    source: str

    def event(self) -> EventDate:
        return EventDate(self.ticker, self.kind, self.at, self.source)


class RequestedEvents(BaseModel):
    """A change of the dates in an event; EventsCommand explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: EventsChange
    events: tuple[RequestedEvent, ...] = Field(min_length=1, max_length=MOST_EVENTS_AT_ONCE)

    def command(self, operator: str, reason: str) -> EventsCommand:
        events = [each.event() for each in self.events]
        return EventsCommand(change=self.change, operator=operator, reason=reason, events=events)


def run(command: EventsCommand, *, db: UnitsOfWork, clock: Clock) -> dict[str, object]:
    """Carry out the command and record it, unless it changes nothing.

    Returns how many rows `changed`, and of `events` how many there were.

    Raises:
        InvalidInput: no reason, too many, or one of them is none; then nothing is changed.
    """
    if not command.reason.strip():
        raise InvalidInput("reason: say why, it is kept with the action")
    if not 0 < len(command.events) <= MOST_EVENTS_AT_ONCE:
        raise InvalidInput(f"events: from 1 to {MOST_EVENTS_AT_ONCE} at once")
    for number, event in enumerate(command.events, start=1):
        if (problem := problem_with(event)) is not None:
            raise InvalidInput(f"event {number}: {problem}")
    named = list({(it.ticker, it.kind, it.at): it for it in command.events}.values())
    with db.transaction() as tx:
        now = clock.now()
        adds = command.change == "add"
        changed = event_dates.add(tx, named, now) if adds else event_dates.remove(tx, named)
        if changed:
            actions.record(
                tx,
                operator=command.operator,
                action=_RECORDED[command.change],
                scope=EVERYTHING,
                reason=command.reason,
                details=_details(named, changed),
                now=now,
            )
    return {"changed": changed, "events": len(named)}


def _details(events: Sequence[EventDate], changed: int) -> dict[str, object]:
    """All of a short list; of a long one how many, its span and the first."""
    moments: list[datetime] = [it.at for it in events]
    return {
        "changed": changed,
        "events": len(events),
        "from": min(moments),
        "until": max(moments),
        "first": [it.facts for it in events[:_SHOWN]],
    }
