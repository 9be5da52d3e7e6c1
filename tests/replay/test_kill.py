"""Killed anywhere, the same command goes on and ends in the same state."""

import itertools
import random
from pathlib import Path

import pytest

from ops_local.comparison.databases import differences
from ops_local.recordings import recording as recordings
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Day, Replay, run_day, server_home
from tests.replay.killed_days import DAY, PARAMS, UNTIL, minutes_until_killed, start

# Each start takes seconds: two kills in every run, more of them with make slow.
SEEDS_AND_KILLS = (
    (1, 2),
    pytest.param(1, 4, marks=pytest.mark.slow),
    pytest.param(2, 4, marks=pytest.mark.slow),
)
# Minutes after the start: before the opening, and among trades, which begin at 10:20.
EARLY, TRADING = (2, 50), (117, 142)


def moments(chance: random.Random, kills: int) -> list[int]:
    """The minutes to kill after: one early, one among trades, the others anywhere."""
    others = [chance.randint(EARLY[0], TRADING[1]) for _ in range(kills - 2)]
    return sorted([chance.randint(*EARLY), *others, chance.randint(*TRADING)])


@pytest.mark.parametrize(("seed", "kills"), SEEDS_AND_KILLS)
def test_a_killed_replay_goes_on_to_the_same_end(
    replayed: Replay, shared_data: Path, seed: int, kills: int
) -> None:
    chance = random.Random(seed)
    recording = recordings.load(shared_data / DAY)
    last = new_york_time(recording.day, *UNTIL)
    undisturbed = replayed(DAY, PARAMS, UNTIL)
    with server_home() as other:
        for before, after in itertools.pairwise([0, *moments(chance, kills)]):
            process = start(other, recording.folder, last.isoformat())
            assert minutes_until_killed(process, max(1, after - before), chance.uniform(0, 0.2))
        killed: Day = run_day(other, recording, params=PARAMS, last=last)
        assert undisturbed.value("SELECT count(*) FROM orders") > 0
        assert differences(undisturbed.urls, killed.urls, after_kill=True) == []
    assert undisturbed.broker_tables == killed.broker_tables
