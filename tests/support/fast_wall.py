"""A clock on the wall as fast as the work: the next minute comes once this one is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_local.exchange.control_client import ControlClient
from tests.support.fakes import FixedClock

# Nothing that a minute starts may take longer.
_HANGS_S = 120


@dataclass
class FastWall:
    """The pipeline's clock, and the exchange's with it.

    Attributes:
        last: The loop ends after this minute.
        exchange: Moved along, where there is one.
        before: Called with each minute before it begins.
    """

    clock: FixedClock
    last: datetime
    exchange: ControlClient | None = None
    before: Callable[[datetime], None] = lambda _minute: None

    def now(self) -> datetime:
        return self.clock.at

    def rest(self, seconds: float) -> None:
        """Nobody waits."""

    def wait(self, seconds: float, idle: Callable[[], bool]) -> bool:
        hangs_at = time.monotonic() + _HANGS_S
        while not idle():
            assert time.monotonic() < hangs_at, f"the minute {self.clock.at} did not end"
            time.sleep(0.005)
        if self.clock.at >= self.last:
            return True
        minute = self.clock.at + timedelta(seconds=seconds)
        self.before(minute)
        if self.exchange is not None:
            self.exchange.set_clock(minute)
        self.clock.at = minute
        return False
