"""The wall clock: the only place that asks the machine for the time."""

from datetime import UTC, datetime


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)
