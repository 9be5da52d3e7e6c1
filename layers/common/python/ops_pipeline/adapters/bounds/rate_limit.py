"""How long a vendor that answered 429 is left alone, by all threads that ask it."""

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from threading import Lock
from time import monotonic, sleep

# Of one run, which has to end in time; what is still refused then is asked by the next one.
PATIENCE_S = 5.0
# Limits are counted by the minute: a longer wait is a mistake, or meant for somebody else.
_LONGEST_S = 60.0
# Runs of one minute share the patience.
_WINDOW_S = 55.0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to be left alone; None when it does not say.

    Retry-After counts first, as seconds or as a date. Without it X-RateLimit-Reset does, the
    second of the epoch at which there is room again. Dates are compared with the answer's own.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), _LONGEST_S)
    sent_at = _epoch_s(headers.get("Date", ""))
    until = _epoch_s(asked)
    reset = headers.get("X-RateLimit-Reset", "").strip()
    if until is None and reset.isascii() and reset.isdigit():
        until = float(reset[:12])
    if until is None or sent_at is None:
        return None
    return min(max(until - sent_at, 0.0), _LONGEST_S)


def _epoch_s(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        # A date in a header is UTC, also where it says so by a zone of -0000.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


class Pause:
    """The time until which nothing is asked.

    Args:
        patience_s: So long it is waited for in one minute, by all threads at once.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = monotonic,
        rest: Callable[[float], None] = sleep,
    ) -> None:
        self._patience_s, self._now, self._rest = patience_s, now, rest
        self._until = self._window = self._deadline = float("-inf")
        self._lock = Lock()

    def begin(self, seconds: float) -> None:
        """Ask nothing for so long."""
        with self._lock:
            self._until = max(self._until, self._now() + seconds)

    def passed(self) -> bool:
        """Wait until it is over; False at once where that takes more than there is patience."""
        with self._lock:
            now, until = self._now(), self._until
            if until <= now:
                return True
            if now >= self._window + _WINDOW_S:
                self._window, self._deadline = now, now + self._patience_s
            if until > self._deadline:
                return False
        self._rest(until - now)
        return True

    @property
    def left_s(self) -> float:
        return max(0.0, self._until - self._now())
