"""How long a feed that fails is left alone."""

from datetime import timedelta

_LONGEST_MINUTES = 60
# What a server may ask for; one that says "in a year" is asked again tomorrow.
_LONGEST_ASKED = timedelta(days=1)


def pause_after(failures_in_a_row: int, retry_after_s: int | None = None) -> timedelta:
    """1, 2, 4, ... minutes, at most an hour; or longer where the server asked for it.

    Args:
        failures_in_a_row: This one included, >= 1.
        retry_after_s: What the server asked for, None when it asked for nothing.
    """
    own = timedelta(minutes=min(2 ** min(failures_in_a_row - 1, 10), _LONGEST_MINUTES))
    asked = timedelta(seconds=min(retry_after_s or 0, int(_LONGEST_ASKED.total_seconds())))
    return max(own, asked)
