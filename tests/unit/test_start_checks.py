"""What `ops up` checks before its first minute; each says what to do."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops_local.live.start_checks import address, calendar, disk

HERE = Path("home")


@pytest.mark.parametrize(
    ("free", "verdict"), [(30 * 2**30, "good"), (2**30, "failed"), (2**20, "fatal")]
)
def test_room_on_the_disk(free: int, verdict: str) -> None:
    assert disk(HERE, free).verdict == verdict


def test_a_calendar_that_ends_soon_is_found_before_it_ends() -> None:
    assert calendar(datetime(2026, 11, 27, 20, tzinfo=UTC)).found.startswith(
        "next session 2026-11-30, from 14:30"
    )
    with pytest.raises(Exception, match="knows 1995 to 2040"):
        calendar(datetime(2040, 12, 31, 20, tzinfo=UTC))


def test_the_address_of_real_money_is_refused() -> None:
    assert address("api.alpaca.markets").verdict == "fatal"
    assert address("API.alpaca.markets.").verdict == "fatal"
    assert address("paper-api.alpaca.markets").verdict == "good"
