"""Decides whether an order may still leave, by a clock that goes on while the machine sleeps.

An order is decided and committed before it is sent. A process that was suspended in between
would send it into another market: it is then not sent, and what is still wanted is decided anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.market import Quote, Session
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import GateRules

# From the decision to the broker: long enough to prove the account and to renew its keys.
SEND_WITHIN = timedelta(seconds=30)
# How far the clock may go back under a run, as when it is set.
_CLOCK_SET_BACK = timedelta(seconds=5)


class SendWindowClosed(Exception):
    """The order may no longer be sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A moment after which an order may not be sent, and what that means."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class SendWindow:
    """The time in which one order may leave.

    Attributes:
        now: Reads the wall clock, which goes on while the machine is suspended.
    """

    now: Callable[[], datetime]
    decided_at: datetime
    limits: Sequence[Limit]

    def require_open(self) -> None:
        """Raise SendWindowClosed unless the order may leave at this moment."""
        now = self.now()
        if now < self.decided_at - _CLOCK_SET_BACK:
            raise SendWindowClosed("the clock was set back since it was decided")
        passed = [limit for limit in self.limits if now > limit.at]
        if passed:
            age_s = (now - self.decided_at).total_seconds()
            raise SendWindowClosed(f"{passed[0].reason}; it was decided {age_s:.0f} s ago")


def limits_of(
    order: Order,
    *,
    decided_at: datetime,
    quote: Quote | None,
    session: Session | None,
    lease_expires_at: datetime | None,
    rules: GateRules,
) -> list[Limit]:
    """Until when the order may leave.

    Args:
        quote: What it was priced by, if anything.
        session: Of the day it was decided on; a stop rests good till cancelled and needs none.
        lease_expires_at: From then on another run may decide; None without a lease.
    """
    limits = [Limit(decided_at + SEND_WITHIN, "the decision is too old")]
    if lease_expires_at is not None:
        limits.append(Limit(lease_expires_at, "the run's lease has ended"))
    if quote is not None:
        fresh_until = quote.ts + timedelta(seconds=rules.quote_age_s) + SEND_WITHIN
        limits.append(Limit(fresh_until, "its quote is too old"))
    if order.purpose != "stop":
        ends_at = decided_at if session is None else session.closes_at
        limits.append(Limit(ends_at - _before_close(order, rules), "its session has ended"))
    return limits


def _before_close(order: Order, rules: GateRules) -> timedelta:
    quiet = timedelta(seconds=rules.quiet_before_close_s)
    if order.purpose == "entry":
        return max(quiet, timedelta(minutes=rules.last_entry_minutes))
    return quiet
