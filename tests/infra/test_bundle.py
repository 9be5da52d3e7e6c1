"""The deployed bundle, run as Lambda runs it: no import from the checkout, no mocks."""

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from infra.bundles import stage_common
from infra.layers import UNZIPPED_LIMIT_BYTES
from infra.weigh import weigh
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import minute_of
from tests.contract.paper_street import LARGE, TINY
from tests.infra.conftest import FEED
from tests.infra.release import FUNCTIONS, Lambda, Runner, machines_over
from tests.support.builders_market import rows
from tests.support.feed_server import FeedServer, Page, item, rss
from tests.support.machine import slowness
from tests.support.stand_ins import TICK

EVENTS = Path(__file__).resolve().parents[2] / "functions"
_VERDICTS = """
SELECT item.title, verdict.tickers, verdict.sentiment_label
FROM inbound_events_raw AS item JOIN inbound_events_classified AS verdict
    ON verdict.raw_event_id = item.id
WHERE item.processed_at IS NOT NULL ORDER BY item.title COLLATE "C"
"""
# Imported at the first call, and hardly any work.
SMALL = {"holidays", "dateutil", "tzdata"}


def _events(stage: str) -> list[Any]:
    """The stage's test events; the small market of this exchange trades AAA, and no SPY."""
    texts = [file.read_text() for file in sorted((EVENTS / stage / "events").glob("*"))]
    return [json.loads(text.replace('"SPY"', '"AAA"')) for text in texts]


@pytest.mark.parametrize("stage", sorted(FUNCTIONS))
def test_a_bundle_answers_its_test_events_and_refuses_a_stranger_s(
    deployed: Lambda, stage: str, tmp_path: Path
) -> None:
    with deployed.warm(stage) as host:
        stranger = host.invoke({"key1": "value1"})
        at_start = deployed.packages(stage)
        answers = [host.invoke(event) for event in _events(stage)]
    assert answers
    assert [one.body for one in answers if one.failed] == [], deployed.said(stage)
    assert stranger.failed
    assert stranger.body["errorType"] == "InvalidInput"

    # What is imported at the first call takes several times as long as at the start.
    imported = deployed.packages(stage)
    assert imported - at_start <= SMALL
    if FUNCTIONS[stage].accounts == "none":
        assert not {"pandas", "alpaca"} & imported
    stage_common(tmp_path / "staging")
    runner = deployed.runner
    weighed = weigh(FUNCTIONS[stage], runner.layers, runner.python, tmp_path / "staging", times=1)
    assert imported - SMALL <= set(weighed.packages)
    assert weighed.unzipped < UNZIPPED_LIMIT_BYTES
    assert weighed.import_s is not None
    # The budget is of a machine like Lambda's; `make weigh` prints both.
    assert weighed.import_s < weighed.budget_s * slowness()


def test_a_minute_goes_through_the_bundles_from_bars_to_orders(
    deployed: Lambda, db: Database
) -> None:
    """The stages of trading_cycle and position_cycle, in their order, on one tick."""
    # As a deployment does first.
    [migrated] = deployed.invoke("db_migration", {})
    assert not migrated.failed, migrated.body
    tick = {"tick": TICK}
    account = {**tick, "account": "large"}
    flow = [("telemetry", tick), ("features", tick), ("watchlist", tick), ("signals", tick)]
    flow += [("dispatcher", account), ("position_manager", account)]
    for stage, event in flow:
        [answer] = deployed.invoke(stage, event)
        assert not answer.failed, f"{answer.body} {deployed.said(stage)}"
        assert answer.body["status"] == "run"
    with db.transaction() as tx:
        rows = tx.rows("SELECT stage FROM pipeline_runs WHERE status = 'succeeded'")
        bars = tx.one("SELECT count(*) AS count FROM lane_telemetry")
        features = tx.one("SELECT count(*) AS count FROM lane_features")
    assert {row["stage"] for row in rows} == {stage for stage, _ in flow}
    assert bars == {"count": 122}
    assert features == {"count": 2}


def test_a_news_cycle_goes_through_the_bundles_from_a_feed_to_verdicts(
    deployed: Lambda, web: FeedServer, db: Database
) -> None:
    now = datetime.now(UTC)
    page = rss(
        item("Tesla raises forecast", guid="1", published=format_datetime(now)),
        item("Harbour opens a bridge", guid="2", published=format_datetime(now)),
    )
    web.put(FEED, Page(page))

    ended = machines_over(deployed).run("news_cycle", {"tick": minute_of(now).isoformat()})

    assert ended.status == "SUCCEEDED", ended
    assert ended.output["rss_ingest"]["stored"] == 2
    assert ended.output["classifier"]["remaining"] == 0
    assert rows(db, _VERDICTS) == [
        {"title": "Harbour opens a bridge", "tickers": [], "sentiment_label": "neutral"},
        {"title": "Tesla raises forecast", "tickers": ["TSLA"], "sentiment_label": "positive"},
    ]
    ran = rows(db, "SELECT stage, status FROM pipeline_runs ORDER BY stage")
    assert ran == [
        {"stage": stage, "status": "succeeded"} for stage in ("classifier", "rss_ingest")
    ]


def test_a_news_cycle_of_bundles_fails_by_the_name_of_what_a_function_raised(
    deployed: Lambda, db: Database, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM schema_migrations WHERE version = '0006_add_accounts'")
    tick = minute_of(datetime.now(UTC)).isoformat()
    ended = machines_over(deployed).run("news_cycle", {"tick": tick})
    assert (ended.status, ended.error) == ("FAILED", "SchemaBehind")


def test_the_regime_is_read_through_its_bundle(deployed: Lambda, db: Database) -> None:
    [answer] = deployed.invoke("market_regime", {"tick": "2013-10-07T12:30:00Z"})
    assert not answer.failed, f"{answer.body} {deployed.said('market_regime')}"
    assert (answer.body["readings"], answer.body["unknown"]) == (2, 0)


def test_where_lambda_s_python_is_absent_a_bundle_starts_on_the_one_that_runs_the_tests(
    deployed: Lambda, own_runner: Runner
) -> None:
    compiled = {path.suffixes[0] for path in (own_runner.layers / "vendor").rglob("*.pyc")}
    assert compiled == {f".{sys.implementation.cache_tag}"}
    [answer] = replace(deployed, runner=own_runner).invoke("features", {})
    assert not answer.failed, deployed.said("features")
    assert answer.body["status"] == "run"


def test_a_log_of_a_bundle_is_json_and_holds_no_secret(deployed: Lambda) -> None:
    deployed.invoke("reconciler", {"tick": TICK})
    said = deployed.said("reconciler")
    assert '"event":"stage_finished"' in re.sub(r'": "', '":"', said)
    for account in (LARGE, TINY):
        assert account.secret_key not in said
        assert account.account_number not in said
