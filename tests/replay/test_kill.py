"""Killed anywhere, the same command goes on and ends in the same state."""

import random
from pathlib import Path

import pytest

from ops_local.comparison.databases import differences
from ops_local.recordings import recording as recordings
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Day, Replay, run_day, server_home
from tests.replay.killed_days import DAY, PARAMS, UNTIL, minutes_until_killed, start

KILLS = 4


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_replay_goes_on_to_the_same_end(
    replayed: Replay, shared_data: Path, seed: int
) -> None:
    chance = random.Random(seed)
    recording = recordings.load(shared_data / DAY)
    last = new_york_time(recording.day, *UNTIL)
    undisturbed = replayed(DAY, PARAMS, UNTIL)
    with server_home() as other:
        for _ in range(KILLS):
            process = start(other, recording.folder, last.isoformat())
            minutes_until_killed(process, chance.randint(2, 50), chance.uniform(0, 0.2))
        killed: Day = run_day(other, recording, params=PARAMS, last=last)
        assert undisturbed.value("SELECT count(*) FROM orders") > 0
        assert differences(undisturbed.urls, killed.urls, after_kill=True) == []
    assert undisturbed.broker_tables == killed.broker_tables
