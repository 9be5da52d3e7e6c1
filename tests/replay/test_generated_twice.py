"""The same generated session replayed twice gives the same database, row for row."""

from pathlib import Path

from ops_local.synthetic import generate
from ops_pipeline.domain.market import new_york_time
from tests.replay.conftest import MORNING_ENDS, Day, assert_the_same, run_day, server_home


def test_a_generated_morning_with_news_made_and_replayed_twice_gives_the_same_rows(
    generated_morning: Day, tmp_path: Path
) -> None:
    for table in ("orders", "inbound_events_classified"):
        assert generated_morning.value(f"SELECT count(*) FROM {table}") > 0
    recording = generate(tmp_path / "again", n_tickers=8)
    last = new_york_time(recording.day, *MORNING_ENDS)
    with server_home() as other:
        again = run_day(other, recording, params="lively.json", last=last)
        assert_the_same(generated_morning, again)
