"""The same recording replayed twice gives the same database, row for row."""

from pathlib import Path

from ops_local.recordings import recording as recordings
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Replay, assert_the_same, run_day, server_home
from tests.replay.killed_days import DAY, PARAMS, UNTIL


def test_a_real_morning_replayed_twice_gives_the_same_rows(
    replayed: Replay, shared_data: Path
) -> None:
    once = replayed(DAY, PARAMS, UNTIL)
    assert once.value("SELECT count(*) FROM orders") > 0
    recording = recordings.load(shared_data / DAY)
    last = new_york_time(recording.day, *UNTIL)
    with server_home() as other:
        assert_the_same(once, run_day(other, recording, params=PARAMS, last=last))
