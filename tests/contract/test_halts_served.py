"""A recorded day's halts go the whole way: served, read, stored, ended."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops_local.feeds.server import FeedServer
from ops_local.recordings import recording
from ops_local.recordings.halts import RecordedHalt
from ops_pipeline.adapters.rss import RssFeed
from ops_pipeline.domain.feeds.kinds import HaltFeedKind
from ops_pipeline.domain.market_state.trading_halts import HaltNotice
from ops_pipeline.domain.news.items import FeedState
from tests.contract.paper_street import at, write_market
from tests.support.fakes import FixedClock

HALTS = [
    RecordedHalt("AAA", at("10:00"), at("10:05"), "LUDP"),
    RecordedHalt("*", at("11:00"), None, "MWC1"),
]


@pytest.mark.parametrize("kind", ["nasdaq_halts", "nyse_halts"])
def test_a_halt_is_listed_from_its_moment_and_its_resumption_from_its_own(
    tmp_path: Path, kind: HaltFeedKind
) -> None:
    day = recording.load(write_market(tmp_path / "market"))
    clock = FixedClock(at("09:59"))
    with FeedServer(replace(day, halts=HALTS), clock.now) as server:
        feed = RssFeed(proxy_url=server.proxy_url)

        def listed(moment: str) -> tuple[HaltNotice, ...]:
            clock.at = at(moment)
            told = feed.fetch(FeedState(server.halts[kind], "Halts", kind=kind)).halts
            assert told is not None
            assert told.complete
            return told.notices

        assert listed("09:59") == ()
        assert listed("10:04") == (HaltNotice("AAA", "LUDP", at("10:00")),)
        assert listed("10:05") == (HaltNotice("AAA", "LUDP", at("10:00"), at("10:05")),)
        assert [it.ticker for it in listed("11:01")] == ["AAA", "AAA", "BBB"]


def test_a_day_without_halts_serves_no_list(tmp_path: Path) -> None:
    day = recording.load(write_market(tmp_path / "market"))
    with FeedServer(day, FixedClock(at("10:00")).now) as server:
        assert server.halts == {}
