"""Every oddity over real HTTP: read for what it is, quickly, and to nobody else's cost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.news.identity import news_items
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.request import TickRequest
from tests.conftest import ROOT
from tests.news.hostile_feeds import ODDITIES, STAMP, Oddity
from tests.support.fakes import FixedClock
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.machine import within
from tests.support.subscribing import subscribe

SMALL = 300_000
TICK = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def page(oddity: Oddity) -> Page:
    return Page(oddity.make(), headers=oddity.headers)


@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_document_is_read_for_what_it_is_within_two_seconds(
    server: FeedServer, name: str
) -> None:
    oddity = ODDITIES[name]
    state = FeedState(server.put("/f", page(oddity)), "Wire")
    began = time.process_time()
    if oddity.failure is not None:
        with pytest.raises(FeedUnavailable, match=oddity.failure):
            local_feed().fetch(state)
    else:
        document = local_feed().fetch(state)
        if oddity.titles is not None:
            assert tuple(entry.title for entry in document.entries) == oddity.titles
        news_items(document.entries, state, TICK)
    assert within(time.process_time() - began, 2)


_PEAK = """
import resource
from ops_pipeline.adapters.feed_parser import parse_feed
from tests.news.hostile_feeds import ODDITIES
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
body = ODDITIES["nested_deeply"].make()
before = peak_mb()
parse_feed(body, content_type=None, url="http://w.example/", most_entries=500)
print(peak_mb() - before)
"""


def test_an_enemy_s_document_costs_little_memory() -> None:
    # In a process of its own: the peak of this one is other tests' work.
    command = [sys.executable, "-c", _PEAK]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 120


def test_all_oddities_together_keep_no_news_from_an_honest_feed_and_a_second_pass_adds_nothing(
    db: Database, server: FeedServer
) -> None:
    with db.transaction() as tx:
        for name, oddity in ODDITIES.items():
            served = page(oddity)
            # The large ones have their own test; here they would only take minutes.
            if len(served.body) < SMALL:
                subscribe(tx, url=server.put(f"/{name}", served), source=name)
        hangs = Page(rss(item("Never comes")), drip_s=1)
        subscribe(tx, url=server.put("/hangs", hangs), source="Hangs")
        honest = Page(rss(item("Honest news", guid="1", published=STAMP)))
        subscribe(tx, url=server.put("/zz", honest), source="Honest")
    clock = FixedClock(TICK)
    stored = []
    for minutes in (0, 70):
        clock.advance(60 * minutes)
        request = TickRequest(tick=TICK + timedelta(minutes=minutes))
        outcome = rss_ingest.run(request, db=db, feed=local_feed(total_s=5), clock=clock)
        stored.append(outcome.stored)
        assert outcome.postponed_feeds == 0
    with db.transaction() as tx:
        sources = {
            row["source"] for row in tx.rows("SELECT DISTINCT source FROM inbound_events_raw")
        }
    assert "Honest" in sources
    assert stored[0] > 20
    assert stored[1] == 0


def test_a_server_that_drips_its_headers_is_left_when_the_time_is_up(server: FeedServer) -> None:
    drip = Page(rss(item("News")), drip_headers_s=0.05)
    began = time.monotonic()
    with pytest.raises(FeedUnavailable, match=r"took over 0\.3 s"):
        local_feed(total_s=0.3).fetch(FeedState(server.put("/f", drip), "Wire"))
    assert time.monotonic() - began < 2


def test_a_body_without_a_length_that_is_hung_up_on_is_not_taken_for_whole(
    server: FeedServer,
) -> None:
    drip = Page(rss(item("News")), declared_bytes=-1, drip_s=0.05)
    with pytest.raises(FeedUnavailable, match=r"took over 0\.3 s"):
        local_feed(total_s=0.3).fetch(FeedState(server.put("/f", drip), "Wire"))
