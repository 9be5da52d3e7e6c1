"""The replay's progress where no terminal is: lines that a log of 80 columns holds whole."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ops_local.pipeline import Tally
from ops_local.progress import shown

_FIRST = datetime(2026, 2, 4, 13, 25, tzinfo=UTC)


def _lines(minutes: int, tally: Tally) -> list[str]:
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    with shown(console, "Replaying", _FIRST, _FIRST + timedelta(minutes=minutes)) as watch:
        for minute in range(minutes):
            watch(_FIRST + timedelta(minutes=minute), tally)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_line_every_half_hour_in_new_york_time_under_one_heading() -> None:
    lines = _lines(70, Tally())
    assert [line.split()[0] for line in lines[1:]] == ["time", "08:30", "09:00", "09:30"]


def test_a_busy_day_fits_80_columns_and_its_figures_stand_under_their_names() -> None:
    tally = Tally()
    tally.add("telemetry", {"stored": 123_456})
    tally.add("dispatcher", {"skipped": 90})
    tally.failed("signals")
    _, heading, numbers = _lines(10, tally)
    assert max(len(heading), len(numbers)) <= 80
    told = dict(zip(heading.split(), numbers.split(), strict=True))
    assert (told["bars"], told["refused"], told["failed"]) == ("123456", "90", "1")
    for name in ("bars", "refused", "failed"):
        end = heading.index(name) + len(name)
        assert numbers[:end].endswith(told[name])
