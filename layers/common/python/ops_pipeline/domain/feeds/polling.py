"""When a feed is asked again, and how far apart the requests to one host are."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.news.items import FeedState

# Of the time between two fetches: feeds that were added together drift apart.
JITTER_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class HostPace:
    """How requests to one host are spaced.

    Attributes:
        interval_s: Between the starts of two requests; SEC permits ten a second.
        jitter_s: At most this long before the first one: not all readers of the world ask a
            host in the same second.
    """

    interval_s: float = 1.0
    jitter_s: float = 0.5


NO_PACE = HostPace(0.0, 0.0)


def is_due(state: FeedState, tick: datetime) -> bool:
    """Whether it is to be asked at this tick; one that was asked within it is, if each minute.

    The last fetch counts from the start of its minute: a feed of 600 s is asked every tenth
    minute, and up to a tenth later.
    """
    wait = timedelta(seconds=state.poll_every_s)
    if state.last_fetched_at is None or wait <= MINUTE:
        return True
    jitter = wait * JITTER_SHARE * _fraction(state.url, state.last_fetched_at.isoformat())
    return state.last_fetched_at < tick + MINUTE - wait - jitter


def starts(due: Sequence[FeedState], tick: datetime, pace: HostPace) -> list[float]:
    """Seconds after the run's start at which each feed may be asked, in the order given."""
    begun: dict[str, float] = {}
    found = []
    for state in due:
        host = _host(state)
        first = pace.jitter_s * _fraction(host, tick.isoformat())
        begun[host] = begun[host] + pace.interval_s if host in begun else first
        found.append(begun[host])
    return found


def _host(state: FeedState) -> str:
    return urlsplit(state.moved_to or state.url).netloc.casefold()


def _fraction(*parts: str) -> float:
    """From 0 to 1, the same for the same words: a replay waits as the day did."""
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4]) / 2**32
