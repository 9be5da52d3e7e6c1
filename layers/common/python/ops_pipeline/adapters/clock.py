"""The wall clock: the only place that reads the machine's time."""

from datetime import UTC, datetime


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)
