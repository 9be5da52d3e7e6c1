"""The list of feeds as an operator changes it: validate, plan, write, record.

`plan_*` and `apply` work within the caller's transaction, for whoever changes more than feeds in
it; `run` is the whole of one command.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db import feeds
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator as actions
from ops_pipeline.db.operations.operator import OperatorAction
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.feeds import subscriptions
from ops_pipeline.domain.feeds.kinds import FeedKind
from ops_pipeline.domain.feeds.subscriptions import (
    USUAL_AGE_H,
    USUAL_POLL_S,
    FeedChange,
    FeedSpec,
    FeedStanding,
)
from ops_pipeline.errors import InvalidInput
from ops_pipeline.ports import Clock

MOST_AT_ONCE = 2_000
FeedsChange = Literal["add", "add new", "remove", "pause", "resume", "contact"]
_STANDINGS: Mapping[FeedsChange, FeedStanding] = {
    "remove": "removed",
    "pause": "off",
    "resume": "on",
}
_ACTIONS: Mapping[FeedsChange, OperatorAction] = {
    "add": "feeds_add",
    "add new": "feeds_add",
    "remove": "feeds_remove",
    "pause": "feeds_pause",
    "resume": "feeds_resume",
    "contact": "feeds_contact",
}


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """What would be written, and which feeds are not taken, with the reason.

    Attributes:
        contact: To be stored first; None leaves it as it is.
    """

    changes: Sequence[FeedChange] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    contact: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.changes and self.contact is None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsCommand:
    """One command of an operator.

    Attributes:
        change: "add" also changes what is known of a feed; "add new" leaves known ones alone.
        feeds: Of "add" and "add new".
        urls: Of "remove", "pause" and "resume".
        contact: Whom servers may write to; also beside "add".
    """

    change: FeedsChange
    operator: str
    reason: str
    feeds: Sequence[FeedSpec] = ()
    urls: Sequence[str] = ()
    contact: str | None = None


class RequestedFeed(BaseModel):
    """One feed in an event; FeedSpec explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    source: str
    active: bool = True
    poll_every_s: int = USUAL_POLL_S
    max_age_h: int = USUAL_AGE_H
    terms: str = ""
    kind: FeedKind = "news"


class RequestedFeeds(BaseModel):
    """A change of the list of feeds in an event; FeedsCommand explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: FeedsChange
    feeds: tuple[RequestedFeed, ...] = Field(default=(), max_length=MOST_AT_ONCE)
    urls: tuple[str, ...] = Field(default=(), max_length=MOST_AT_ONCE)
    contact: str | None = None

    def command(self, operator: str, reason: str) -> FeedsCommand:
        return FeedsCommand(
            change=self.change,
            operator=operator,
            reason=reason,
            feeds=[FeedSpec(**each.model_dump()) for each in self.feeds],
            urls=self.urls,
            contact=self.contact,
        )


def run(command: FeedsCommand, *, db: UnitsOfWork, clock: Clock) -> dict[str, object]:
    """Carry out the command and record it, unless it changes nothing.

    Returns:
        `changed`, one line for each row; `refused`, the reason by address; `contact`, whether
        that was set. A feed that is refused keeps no other from being added.

    Raises:
        InvalidInput: no reason, no such feed, or no contact address.
    """
    if not command.reason.strip():
        raise InvalidInput("reason: say why, it is kept with the action")
    with db.transaction() as tx:
        plan = _planned(tx, command)
        apply(tx, plan, clock.now())
        done = told(plan)
        if not plan.is_empty:
            actions.record(
                tx,
                operator=command.operator,
                action=_ACTIONS[command.change],
                scope=EVERYTHING,
                reason=command.reason,
                details={"changed": done["changed"], "contact": plan.contact},
                now=clock.now(),
            )
    return done


def told(plan: FeedPlan) -> dict[str, object]:
    """The plan as JSON, for the operator and for the record."""
    return {
        "changed": [
            {"change": each.change, **asdict(each.spec)} | _differences(each)
            for each in plan.changes
        ],
        "refused": dict(plan.refused),
        "contact": plan.contact is not None,
    }


def plan_additions(
    tx: Transaction,
    wanted: Iterable[FeedSpec],
    *,
    only_new: bool = False,
    contact: str | None = None,
) -> FeedPlan:
    """What adding these would write; contact is to be stored with them, None keeps what is.

    Raises:
        InvalidInput: the contact is none.
    """
    contact = _new_contact(tx, contact)
    taken, refused = _checked(tx, wanted, contact)
    known = feeds.stored(tx)
    changes = subscriptions.plan_additions(known, taken, only_new=only_new)
    return FeedPlan(changes, refused, contact)


def plan_exactly(
    tx: Transaction, wanted: Sequence[FeedSpec], *, contact: str | None = None
) -> FeedPlan:
    """What would make the list of feeds this one; others are removed.

    A feed that is refused is left as it stands.

    Raises:
        InvalidInput: the contact is none.
    """
    contact = _new_contact(tx, contact)
    taken, refused = _checked(tx, wanted, contact)
    known = {url: stored for url, stored in feeds.stored(tx).items() if url not in refused}
    return FeedPlan(subscriptions.plan_exactly(known, taken), refused, contact)


def plan_switch(tx: Transaction, urls: Sequence[str], to: FeedStanding) -> FeedPlan:
    """What switching these would write; one that cannot be switched on is refused.

    Raises:
        InvalidInput: one of them is not on the list.
    """
    known = feeds.stored(tx)
    here = [url for url, stored in known.items() if to == "removed" or not stored.removed]
    if unknown := sorted(set(urls) - set(here)):
        raise InvalidInput(f"no such feed: {', '.join(unknown)}; ops feeds list shows all")
    planned = subscriptions.plan_switch(known, urls, to)
    taken, refused = _checked(tx, [change.spec for change in planned], None)
    return FeedPlan([change for change in planned if change.spec in taken], refused)


def apply(tx: Transaction, plan: FeedPlan, now: datetime) -> None:
    """Write what was planned in the same transaction."""
    if plan.contact is not None:
        feeds.set_contact(tx, plan.contact, now)
    feeds.write(tx, plan.changes, now)


def _planned(tx: Transaction, command: FeedsCommand) -> FeedPlan:
    match command.change:
        case "add" | "add new":
            return plan_additions(
                tx,
                command.feeds,
                only_new=command.change == "add new",
                contact=command.contact,
            )
        case "contact":
            if command.contact is None:
                raise InvalidInput("contact: say whom a feed's server may write to")
            return FeedPlan(contact=_new_contact(tx, command.contact))
        case _:
            return plan_switch(tx, command.urls, _STANDINGS[command.change])


def _new_contact(tx: Transaction, contact: str | None) -> str | None:
    """The contact to be stored; None where it stands already."""
    if contact is None:
        return None
    if (problem := subscriptions.problem_with_contact(contact)) is not None:
        raise InvalidInput(f"contact: {problem}")
    return None if feeds.contact(tx) == contact.strip() else contact.strip()


def _checked(
    tx: Transaction, wanted: Iterable[FeedSpec], contact: str | None
) -> tuple[list[FeedSpec], dict[str, str]]:
    contact = contact or feeds.contact(tx)
    taken, refused = [], {}
    for spec in wanted:
        if (problem := subscriptions.problem_with(spec, contact)) is None:
            taken.append(spec)
        else:
            refused[spec.url] = problem
    return taken, refused


def _differences(change: FeedChange) -> dict[str, object]:
    if not change.changed:
        return {}
    return {"was": {name: before for name, (before, _) in change.changed.items()}}
