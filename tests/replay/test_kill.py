"""Killed anywhere, the same command goes on and ends in the same state."""

import random
from pathlib import Path

import pytest

from ops_local.comparison.databases import differences
from ops_local.recordings import recording as recordings
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Day, Replay, run_day, server_home
from tests.replay.killed_days import DAY, PARAMS, UNTIL, killed_at, start

# Each start takes seconds: two kills in every run, more of them with make slow.
SEEDS_AND_KILLS = (
    (1, 2),
    pytest.param(1, 4, marks=pytest.mark.slow),
    pytest.param(2, 4, marks=pytest.mark.slow),
)
# Minutes of the day: before the opening, and among trades, which begin at 10:20. A quick machine
# plays some more between two kills, so the last one is well before the end.
EARLY, TRADING = (8 * 60 + 25, 9 * 60 + 13), (10 * 60 + 20, 10 * 60 + 42)


def moments(chance: random.Random, kills: int) -> list[tuple[int, int]]:
    """The times to kill at: one early, one among trades, the others anywhere."""
    others = [chance.randint(EARLY[0], TRADING[1]) for _ in range(kills - 2)]
    minutes = sorted([chance.randint(*EARLY), *others, chance.randint(*TRADING)])
    return [divmod(minute, 60) for minute in minutes]


@pytest.mark.parametrize(("seed", "kills"), SEEDS_AND_KILLS)
def test_a_killed_replay_goes_on_to_the_same_end(
    replayed: Replay, shared_data: Path, seed: int, kills: int
) -> None:
    chance = random.Random(seed)
    recording = recordings.load(shared_data / DAY)
    last = new_york_time(recording.day, *UNTIL)
    undisturbed = replayed(DAY, PARAMS, UNTIL)
    with server_home() as other:
        for moment in moments(chance, kills):
            process = start(other, recording.folder, last.isoformat())
            at = new_york_time(recording.day, *moment)
            assert killed_at(process, at, chance.uniform(0, 0.2)), moment
        killed: Day = run_day(other, recording, params=PARAMS, last=last)
        assert undisturbed.value("SELECT count(*) FROM orders") > 0
        assert differences(undisturbed.urls, killed.urls, after_kill=True) == []
    assert undisturbed.broker_tables == killed.broker_tables
