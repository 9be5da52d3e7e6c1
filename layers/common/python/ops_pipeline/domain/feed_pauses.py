"""How long a feed that fails is left alone."""

from datetime import timedelta

_LONGEST_MINUTES = 60


def pause_after(failures_in_a_row: int) -> timedelta:
    """1, 2, 4, ... minutes, at most an hour; failures_in_a_row >= 1."""
    return timedelta(minutes=min(2 ** min(failures_in_a_row - 1, 10), _LONGEST_MINUTES))
