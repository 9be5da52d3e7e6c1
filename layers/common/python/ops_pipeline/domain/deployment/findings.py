"""What `ops check` finds: good or bad, and what to do. Decided here, on what was read elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from ops_pipeline.domain.market import Session

# "note": it works, and somebody may want to know.
CheckVerdict = Literal["good", "note", "bad"]

# A minute's bar is final some seconds after its end, and a quote counts for a minute.
MOST_SKEW_S = 5.0
NOTED_SKEW_S = 1.0
# Holidays are decided long before; a storm's closing shows the evening before.
DAYS_COMPARED = 60
_MOST_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was tried.

    Attributes:
        todo: What to do about it; "" where nothing is.
    """

    verdict: CheckVerdict
    subject: str
    found: str
    todo: str = ""


def clock_skew(theirs: datetime, before: datetime, after: datetime) -> CheckResult:
    """Our clock against the broker's, which was read between two readings of ours."""
    ahead_s = (before - theirs).total_seconds(), (after - theirs).total_seconds()
    # Nothing is known of the time within the request.
    skew_s = 0.0 if ahead_s[0] <= 0 <= ahead_s[1] else min(ahead_s, key=abs)
    word = "ahead of" if skew_s > 0 else "behind"
    found = f"{abs(skew_s):.1f} s {word} the broker's" if skew_s else "as the broker's"
    if abs(skew_s) > MOST_SKEW_S:
        todo = "set this machine's clock by the network: timedatectl set-ntp true"
        return CheckResult("bad", "clock", found, todo)
    return CheckResult("note" if abs(skew_s) > NOTED_SKEW_S else "good", "clock", found)


def calendar_differences(
    ours: Mapping[date, Session | None], theirs: Sequence[Session]
) -> CheckResult:
    """Our sessions against the broker's, day by day."""
    told = {session.day: session for session in theirs}
    wrong = [
        f"{day}: {_hours(mine)} here, {_hours(told.get(day))} at the broker"
        for day, mine in sorted(ours.items())
        if mine != told.get(day)
    ]
    if not wrong:
        return CheckResult("good", "calendar", f"{len(ours)} days as at the broker")
    more = f" and {len(wrong) - _MOST_DIFFERENCES} more" if len(wrong) > _MOST_DIFFERENCES else ""
    return CheckResult(
        "bad",
        "calendar",
        "; ".join(wrong[:_MOST_DIFFERENCES]) + more,
        "update the package `holidays`; until then `ops halt` on a day that is open only here",
    )


def data_plan(configured: str, refusals: Mapping[str, str | None]) -> list[CheckResult]:
    """Which feeds the market data plan allows.

    Args:
        configured: The feed that the pipeline reads.
        refusals: By feed why nothing came; None where a quote did.
    """
    return [_feed(name, why, configured) for name, why in refusals.items()]


def _feed(name: str, why: str | None, configured: str) -> CheckResult:
    subject, used = f"market data {name}", name == configured
    if why is None:
        found = "the plan allows it" + (", and it is used" if used else "")
        if name == "sip" and not used:
            return CheckResult("note", subject, found, "ALPACA_DATA_FEED=sip reads all venues")
        return CheckResult("good", subject, found)
    if used:
        todo = "use a feed that the plan allows (ALPACA_DATA_FEED), or mend the keys"
        return CheckResult("bad", subject, why, todo)
    return CheckResult("note", subject, f"no quote, and not used: {why}")


def vix_age(
    newest: date | None, last_session: date, close: float | None, source: str | None = None
) -> CheckResult:
    """Whether the volatility index is read, up to the last session that has ended, and by whom."""
    if newest is None or close is None:
        return CheckResult("bad", "vix", "no reading", "entries need one: docs/operations.md")
    found = f"{close:g} on {newest}" + (f", {source}" if source else "")
    if newest < last_session - timedelta(days=1):
        todo = f"its publisher is behind: the last session was {last_session}"
        return CheckResult("bad", "vix", found, todo)
    return CheckResult("good", "vix", found)


def _hours(session: Session | None) -> str:
    if session is None:
        return "closed"
    return f"{session.opens_at:%H:%M} to {session.closes_at:%H:%M} UTC"
