"""Whole days replayed twice, and killed on the way: the same database, row for row."""

import random
from datetime import datetime
from pathlib import Path

import pytest

from ops_local.comparison.databases import differences
from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_local.recordings.recording import Recording
from ops_local.synthetic import generate
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import REAL_DAYS, assert_the_same, run_day, server_home
from tests.replay.killed_days import minutes_until_killed, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def assert_twice_the_same(
    home: Home, recording: Recording, params: str | None = None, last: datetime | None = None
) -> None:
    once = run_day(home, recording, params=params, last=last)
    with server_home() as other:
        assert_the_same(once, run_day(other, recording, params=params, last=last))


@pytest.mark.parametrize("day", REAL_DAYS)
def test_a_real_day_replayed_twice_gives_the_same_rows(
    home: Home, shared_data: Path, day: str
) -> None:
    assert_twice_the_same(home, recordings.load(shared_data / day))


def test_the_generated_session_replayed_twice_gives_the_same_rows(
    home: Home, tmp_path: Path
) -> None:
    assert_twice_the_same(home, generate(tmp_path / "generated"))


def test_a_generated_morning_of_all_tickers_replayed_twice_gives_the_same_rows(
    home: Home, tmp_path: Path
) -> None:
    recording = generate(tmp_path / "generated")
    last = new_york_time(recording.day, 10, 50)
    assert_twice_the_same(home, recording, "lively.json", last)


@pytest.mark.parametrize("seed", range(10, 14))
def test_a_whole_day_killed_twenty_times_ends_the_same(
    home: Home, shared_data: Path, seed: int
) -> None:
    chance = random.Random(seed)
    recording = recordings.load(shared_data / "2013-10-08")
    last = "2013-10-08T20:25:00+00:00"
    undisturbed = run_day(home, recording, params="lively.json")
    with server_home() as other:
        for _ in range(20):
            process = start(other, recording.folder, last)
            minutes_until_killed(process, chance.randint(1, 40), chance.uniform(0, 0.2))
        killed = run_day(other, recording, params="lively.json")
        assert differences(undisturbed.urls, killed.urls, after_kill=True) == []
    assert undisturbed.broker_tables == killed.broker_tables
