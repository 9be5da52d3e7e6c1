"""The news cycle as the state machine runs it: one handler after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.classifier.handler import lambda_handler as classify
from functions.rss_ingest.handler import lambda_handler as ingest
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock
from tests.support.feed_server import Page, feed_server, item, rss
from tests.support.subscribing import subscribe

NOW = datetime(2026, 2, 4, 14, 31, 5, tzinfo=UTC)
EVENT = {"tick": "2026-02-04T14:31:00Z"}


@pytest.fixture
def clock(database_urls: DatabaseUrls) -> Iterator[FixedClock]:
    clock = FixedClock(NOW)
    variables = {"DATABASE_URL": database_urls.writer, "FEED_ALLOWED_NETWORKS": "127.0.0.0/8"}
    runtime = Runtime(variables, clock, owner="test")
    wiring.use(runtime)
    yield clock
    runtime.database.close()
    wiring.use(None)


def test_a_tick_brings_an_item_from_its_feed_to_its_sentiment(
    db: Database, clock: FixedClock
) -> None:
    page = Page(
        rss(item("Tesla raises forecast", guid="1", published="Wed, 04 Feb 2026 14:29:00 GMT"))
    )
    with feed_server() as server:
        with db.transaction() as tx:
            subscribe(tx, url=server.put("/f", page), source="Wire")
        stored = ingest(EVENT, None)
    assert (stored["status"], stored["feeds"], stored["stored"]) == ("run", 1, 1)
    judged = classify(EVENT, None)
    assert (judged["status"], judged["classified"], judged["remaining"]) == ("run", 1, 0)
    with db.transaction() as tx:
        (row,) = tx.rows("SELECT tickers, sentiment_label, model FROM inbound_events_classified")
    assert row == {"tickers": ["TSLA"], "sentiment_label": "positive", "model": "lexicon-4"}


@pytest.mark.parametrize("handler", [ingest, classify])
def test_an_empty_event_means_now_and_a_tick_done_already_is_not_done_again(
    handler: Any, clock: FixedClock
) -> None:
    assert handler({}, None)["status"] == "run"
    assert handler(EVENT, None) == {"status": "already_done"}


@pytest.mark.parametrize("handler", [ingest, classify])
@pytest.mark.parametrize("event", [None, [], {"key1": "value1", "key2": "value2"}])
def test_a_strangers_event_is_refused_by_name(handler: Any, event: Any, clock: FixedClock) -> None:
    with pytest.raises(InvalidInput, match="tick"):
        handler(event, None)


def test_an_old_tick_is_dropped_at_the_door_of_the_cycle(clock: FixedClock) -> None:
    assert ingest({"tick": "2026-02-04T14:20:00Z"}, None) == {"status": "too_old"}
