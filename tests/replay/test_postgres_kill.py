"""Postgres killed in the middle of a day: the replay stops, and goes on to the same end."""

import os
import shutil
import signal
import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from ops_local.comparison.databases import differences
from ops_local.home import Home
from ops_local.postgres.home import reachable_folder
from ops_local.postgres.postmaster import read_postmaster
from ops_local.postgres.server import EmbeddedPostgres
from ops_local.recordings import recording as recordings
from ops_local.replay import Interrupted
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import Replay, run_day
from tests.replay.killed_days import DAY, PARAMS, UNTIL

# Once before the first trade is possible, once among trades.
KILLED_AT = ((9, 40), (10, 36))


class Assassin:
    """Kills the server of a home once the replay has come to a minute."""

    def __init__(self, home: Home, at: datetime) -> None:
        self._folder = home.folder / "postgres"
        self._at = at

    def watch(self, at: datetime) -> None:
        if at == self._at:
            running = read_postmaster(reachable_folder(self._folder) / "data")
            assert running is not None
            os.kill(running.pid, signal.SIGKILL)


def test_a_replay_whose_postgres_was_killed_goes_on_to_the_same_end(
    replayed: Replay, shared_data: Path
) -> None:
    recording = recordings.load(shared_data / DAY)
    last = new_york_time(recording.day, *UNTIL)
    undisturbed = replayed(DAY, PARAMS, UNTIL)
    folder = Path(tempfile.mkdtemp(prefix="ops-killed-"))
    other = Home(folder)
    for clock in KILLED_AT:
        # Each run starts the server that it uses, as `ops replay` does.
        assassin = Assassin(other, new_york_time(recording.day, *clock))
        with pytest.raises(Interrupted, match="Postgres went away"):
            run_day(other, recording, params=PARAMS, last=last, watch=assassin.watch)
    with EmbeddedPostgres(folder / "postgres", dies_with_us=True):
        resumed = run_day(other, recording, params=PARAMS, last=last)
        assert undisturbed.value("SELECT count(*) FROM orders") > 0
        assert differences(undisturbed.urls, resumed.urls, after_kill=True) == []
    assert undisturbed.broker_tables == resumed.broker_tables
    shutil.rmtree(folder)
