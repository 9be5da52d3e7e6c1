"""The deployed bundle, run as Lambda runs it: no import from the checkout, no mocks."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.bundles import stage_common
from infra.layers import UNZIPPED_LIMIT_BYTES
from infra.weigh import weigh
from ops_pipeline.db import tickers
from ops_pipeline.db.connection import Database
from tests.contract.paper_street import LARGE, TINY
from tests.infra.release import FUNCTIONS, Lambda, Runner

EVENTS = Path(__file__).resolve().parents[2] / "functions"
# These read the open internet: they run in the minute below, against servers of this machine.
ELSEWHERE = {"rss_ingest", "market_regime"}
# Imported at the first call, and hardly any work.
SMALL = {"holidays", "dateutil", "tzdata"}


def _events(stage: str) -> list[Any]:
    return [json.loads(file.read_text()) for file in sorted((EVENTS / stage / "events").glob("*"))]


@pytest.mark.parametrize("stage", sorted(set(FUNCTIONS) - ELSEWHERE))
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
    assert imported <= set(weighed.packages)
    assert weighed.unzipped < UNZIPPED_LIMIT_BYTES
    assert weighed.import_s is not None
    assert weighed.import_s < weighed.budget_s


def test_a_minute_goes_through_the_bundles_from_bars_to_orders(
    deployed: Lambda, db: Database
) -> None:
    """The stages of trading_cycle and position_cycle, in their order, on one tick."""
    # As a deployment does first.
    [migrated] = deployed.invoke("db_migration", {})
    assert not migrated.failed, migrated.body
    with db.transaction() as tx:
        tickers.watch_only(tx, ("AAA", "BBB"))
    tick = {"tick": "2013-10-07T14:31:00Z"}
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


def test_where_lambda_s_python_is_absent_a_bundle_starts_on_the_one_that_runs_the_tests(
    deployed: Lambda, own_runner: Runner
) -> None:
    compiled = {path.suffixes[0] for path in (own_runner.layers / "vendor").rglob("*.pyc")}
    assert compiled == {f".{sys.implementation.cache_tag}"}
    [answer] = replace(deployed, runner=own_runner).invoke("features", {})
    assert not answer.failed, deployed.said("features")
    assert answer.body["status"] == "run"


def test_a_log_of_a_bundle_is_json_and_holds_no_secret(deployed: Lambda) -> None:
    deployed.invoke("reconciler", {"tick": "2013-10-07T14:31:00Z"})
    said = deployed.said("reconciler")
    assert '"event":"stage_finished"' in re.sub(r'": "', '":"', said)
    for account in (LARGE, TINY):
        assert account.secret_key not in said
        assert account.account_number not in said
