"""Dates of earnings, of the Federal Reserve and the like, and when entries stay away. Times UTC."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from ops_pipeline.domain.market_state.trading_halts import EVERY_TICKER
from ops_pipeline.domain.news.security_import import TICKER
from ops_pipeline.domain.parameters import GateRules

EventKind = Literal["earnings", "fomc", "cpi", "other"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
_LONGEST_SOURCE = 200


@dataclass(frozen=True, slots=True)
class EventDate:
    """One event; `ticker` * concerns the whole market."""

    ticker: str
    kind: EventKind
    at: datetime
    source: str

    @property
    def facts(self) -> dict[str, str]:
        """As it is stored beside a verdict."""
        at = self.at.isoformat()
        return {"ticker": self.ticker, "kind": self.kind, "at": at, "source": self.source}


@dataclass(frozen=True, slots=True)
class Blackout:
    """How long before and after an event of one kind entries are refused."""

    before: timedelta
    after: timedelta

    def covers(self, event: EventDate, now: datetime) -> bool:
        """Whether the moment is near the event; never where both are zero."""
        return bool(self.before or self.after) and (
            event.at - self.before <= now <= event.at + self.after
        )


def blackouts(rules: GateRules) -> Mapping[EventKind, Blackout]:
    minutes: Mapping[EventKind, tuple[int, int]] = {
        "earnings": (rules.earnings_before_minutes, rules.earnings_after_minutes),
        "fomc": (rules.fomc_before_minutes, rules.fomc_after_minutes),
        "cpi": (rules.cpi_before_minutes, rules.cpi_after_minutes),
        "other": (rules.other_event_before_minutes, rules.other_event_after_minutes),
    }
    return {
        kind: Blackout(timedelta(minutes=before), timedelta(minutes=after))
        for kind, (before, after) in minutes.items()
    }


def looked_at(rules: GateRules, now: datetime) -> tuple[datetime, datetime]:
    """The first and the last moment of an event that may refuse an entry now."""
    of_kinds = blackouts(rules).values()
    return now - max(it.after for it in of_kinds), now + max(it.before for it in of_kinds)


def problem_with(event: EventDate) -> str | None:
    """Why this is no event; None where it is one."""
    if event.ticker != EVERY_TICKER and not TICKER.fullmatch(event.ticker):
        return f"{event.ticker!r} is no symbol; * is the whole market"
    if event.kind not in EVENT_KINDS:
        return f"{event.kind!r} is none of {', '.join(EVENT_KINDS)}"
    if event.at.utcoffset() is None:
        return "its time has no zone"
    source = event.source
    if not 0 < len(source.strip()) <= _LONGEST_SOURCE or not source.isprintable():
        return f"its source must be a text of at most {_LONGEST_SOURCE} characters"
    return None


def near(events: Iterable[EventDate], rules: GateRules, now: datetime) -> list[EventDate]:
    """Those within whose blackout the moment lies, the next one first."""
    of_kind = blackouts(rules)
    found = [it for it in events if of_kind[it.kind].covers(it, now)]
    return sorted(found, key=lambda it: (abs(it.at - now), it.ticker, it.kind))
