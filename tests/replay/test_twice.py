"""The same recording replayed twice gives the same database, row for row."""

from pathlib import Path

from ops_local.comparison.databases import differences
from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_local.recordings.recording import Recording
from ops_local.synthetic import generate
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import run_day, server_home


def assert_twice_the_same(home: Home, recording: Recording, params: str | None) -> None:
    """Replay the morning to 10:50 into two servers and compare every table."""
    last = new_york_time(recording.day, 10, 50)
    once = run_day(home, recording, params=params, last=last)
    with server_home() as other:
        again = run_day(other, recording, params=params, last=last)
        assert once.tally.failures == again.tally.failures == []
        assert once.value("SELECT count(*) FROM orders") > 0
        assert differences(once.urls, again.urls) == []
    assert once.broker_tables == again.broker_tables


def test_a_real_morning_replayed_twice_gives_the_same_rows(home: Home, shared_data: Path) -> None:
    assert_twice_the_same(home, recordings.load(shared_data / "2013-10-08"), "lively.json")


def test_a_generated_morning_with_news_replayed_twice_gives_the_same_rows(
    home: Home, tmp_path: Path
) -> None:
    assert_twice_the_same(home, generate(tmp_path / "generated"), "lively.json")
