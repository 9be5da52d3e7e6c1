"""`ops up`: one at a time, stopped cleanly, gone on with; and the schedules on a wall clock."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from ops_local import paper_accounts
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import start
from ops_local.feeds.server import FeedServer
from ops_local.home import Home
from ops_local.live import loop
from ops_local.recordings.recording import Recording
from ops_local.replay_environment import ACCOUNTS, variables
from ops_local.synthetic import generate
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import new_york_time
from tests.conftest import ROOT
from tests.support.fakes import FixedClock
from tests.support.fast_wall import FastWall


@contextmanager
def up(home: Home, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`ops up` in a process of its own, ended when the block ends."""
    environment = {name: value for name, value in os.environ.items() if "ALPACA" not in name}
    process = subprocess.Popen(
        [sys.executable, "-m", "ops_local.cli", "up", *options],
        cwd=ROOT,
        env={**environment, "OPS_HOME": str(home.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """What it said up to the line in which this pattern is found."""
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if re.search(pattern, line):
            return said
    raise AssertionError(f"{pattern!r} never came: {''.join(said)}")


def test_it_plays_stops_cleanly_and_goes_on_and_a_second_one_is_refused(home: Home) -> None:
    with up(home, "--speed", "100000") as first:
        lines_until(first, "08:30")
        with up(home) as second:
            assert second.wait(60) == 1
            assert second.stdout is not None
            assert "runs already" in second.stdout.read()
        first.send_signal(signal.SIGTERM)
        told = lines_until(first, "goes on from there")[-1]
        assert first.wait(60) == 0
    stopped = re.search(r"Stopped cleanly: stopped at (\d\d:\d\d) New York", told)
    assert stopped is not None
    marker = home.folder / "replays" / "played_generated_20260204" / "unfinished.json"
    assert marker.exists()
    with up(home, "--speed", "100000") as again:
        # Gone on with: what was played is not played a second time.
        next_half_hour = lines_until(again, r"^\d\d:[03]0 ")[-1]
        assert next_half_hour[:5] >= stopped[1]
        again.send_signal(signal.SIGINT)
        lines_until(again, "goes on from there")


@pytest.mark.parametrize("speed", ["0", "-1"])
def test_a_speed_that_is_none_is_a_usage_error(home: Home, speed: str) -> None:
    with up(home, f"--speed={speed}") as process:
        assert process.wait(60) == 2


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return generate(tmp_path_factory.mktemp("session") / "generated", n_tickers=8)


def test_the_schedules_start_what_is_due_each_minute_on_the_wall_clock(
    database_urls: DatabaseUrls, owner_db: Database, session: Recording, tmp_path: Path
) -> None:
    begins = new_york_time(session.day, 9, 27) + timedelta(seconds=20)
    clock = FixedClock(begins)
    with owner_db.transaction() as tx:
        default_parameters.ensure(tx, now=begins)
        paper_accounts.bind(tx, ACCOUNTS, begins)
    with (
        FeedServer(session, clock.now) as served,
        start(session.folder, tmp_path / "store", ACCOUNTS, tmp_path / "log") as exchange,
    ):
        exchange.set_clock(begins)
        tally = loop.run(
            variables(database_urls, exchange.url, served),
            FastWall(clock, new_york_time(session.day, 9, 32), exchange),
            watch=lambda _at, _tally: None,
        )
    assert tally.failures == []
    runs = {
        row["stage"]: (row["first"].minute, row["last"].minute)
        for row in owner_db.read(
            "SELECT stage, min(tick) AS first, max(tick) AS last FROM pipeline_runs "
            "WHERE status = 'succeeded' GROUP BY stage"
        )
    }
    assert runs["rss_ingest"] == runs["market_clock"] == runs["position_manager"] == (28, 32)
    # Before the open the clock says closed, and trading stops there.
    assert runs["telemetry"] == runs["dispatcher"] == (30, 32)
    assert runs["healthcheck"] == (30, 30)
