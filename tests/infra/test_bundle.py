"""The deployed bundle, run as Lambda runs it: no import from the checkout, no mocks."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.bundles import built_layer
from infra.definitions import load_functions
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db import tickers
from ops_pipeline.db.connection import Database
from tests.contract.paper_street import LARGE, TINY, at, open_exchange
from tests.infra.conftest import Template, stages
from tests.infra.lambda_host import Answered, Host, started, unpack

FUNCTIONS = load_functions()
ARCHITECTURE = "x86_64"
EVENTS = Path(__file__).resolve().parents[2] / "functions"
# These read the open internet: they run in the minute below, against servers of this machine.
ELSEWHERE = {"rss_ingest", "market_regime"}


@dataclass(frozen=True)
class Lambda:
    """What is needed to start any function of the assembly."""

    python: Path
    template: Template
    assembly: Path
    folder: Path
    variables: dict[str, str]

    @contextmanager
    def warm(self, stage: str) -> Iterator[Host]:
        properties = stages(self.template)[stage]
        asset = properties["Code"]["S3Key"].removesuffix(".zip")
        unpacked = Path(tempfile.mkdtemp(dir=self.folder, prefix=stage))
        task = unpacked / "task"
        shutil.copytree(self.assembly / f"asset.{asset}", task)
        layers = [self._layer(name) for name in FUNCTIONS[stage].layers]
        site = unpack(layers, unpacked / "layers")
        folders = [task, site, built_layer("runtime", ARCHITECTURE)]
        named = properties["Environment"]["Variables"]
        variables = {**named, **self.variables, "MIGRATIONS_DIR": str(task / "migrations")}
        log = self.folder / f"{stage}.log"
        with started(self.python, properties["Handler"], folders, variables, log) as host:
            yield host

    def invoke(self, stage: str, *events: Any) -> list[Answered]:
        with self.warm(stage) as host:
            return [host.invoke(event) for event in events]

    def said(self, stage: str) -> str:
        return (self.folder / f"{stage}.log").read_text()

    def _layer(self, name: str) -> Path:
        if name != "common":
            return built_layer(name, ARCHITECTURE)
        [key] = {
            resource["Properties"]["Content"]["S3Key"]
            for resource in self.template["Resources"].values()
            if resource["Type"] == "AWS::Lambda::LayerVersion"
            and resource["Properties"]["LayerName"].startswith("ops-pipeline-common")
        }
        return self.assembly / f"asset.{key.removesuffix('.zip')}"


def _python_of_lambda() -> Path:
    found = shutil.which("python3.13")
    listed = [Path(found)] if found else []
    listed += sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    for python in listed:
        if (
            subprocess.run(
                [python, "-c", "import ssl"], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return python
    pytest.skip("no Python 3.13, which the layers are built for")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        yield running


@pytest.fixture
def deployed(
    template: Template,
    assembly: Path,
    tmp_path: Path,
    database_urls: DatabaseUrls,
    exchange: RunningExchange,
) -> Lambda:
    if not built_layer("runtime", ARCHITECTURE).exists():
        pytest.skip("no layers for this machine: make layers ARCH=x86_64")
    keys = {
        f"ALPACA_{account.name.upper()}_{name}": value
        for account in (LARGE, TINY)
        for name, value in (
            ("KEY_ID", account.key_id),
            ("SECRET_KEY", account.secret_key),
            ("ACCOUNT_NUMBER", account.account_number),
        )
    }
    variables = {
        "DATABASE_URL": database_urls.writer,
        "DATABASE_OWNER_URL": database_urls.owner,
        "DATABASE_READER_URL": database_urls.reader,
        "ALPACA_TRADING_URL": exchange.url,
        "ALPACA_DATA_URL": exchange.url,
        "DB_WRITER_SECRET_ID": "",
        "DB_READER_SECRET_ID": "",
        **keys,
    }
    made = Lambda(_python_of_lambda(), template, assembly, tmp_path, variables)
    # As a deployment does first: it also puts the parameters in force.
    [migrated] = made.invoke("db_migration", {})
    assert not migrated.failed, migrated.body
    return made


def _events(stage: str) -> list[Any]:
    return [json.loads(file.read_text()) for file in sorted((EVENTS / stage / "events").glob("*"))]


@pytest.mark.parametrize("stage", sorted(set(FUNCTIONS) - ELSEWHERE))
def test_a_bundle_answers_its_test_events_and_refuses_a_stranger_s(
    deployed: Lambda, stage: str
) -> None:
    *answers, stranger = deployed.invoke(stage, *_events(stage), {"key1": "value1"})
    assert answers
    assert [one.body for one in answers if one.failed] == [], deployed.said(stage)
    assert stranger.failed
    assert stranger.body["errorType"] == "InvalidInput"


def test_a_minute_goes_through_the_bundles_from_bars_to_orders(
    deployed: Lambda, db: Database
) -> None:
    """The stages of trading_cycle and position_cycle, in their order, on one tick."""
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


def test_a_log_of_a_bundle_is_json_and_holds_no_secret(deployed: Lambda) -> None:
    deployed.invoke("reconciler", {"tick": "2013-10-07T14:31:00Z"})
    said = deployed.said("reconciler")
    assert '"event":"stage_finished"' in re.sub(r'": "', '":"', said)
    for account in (LARGE, TINY):
        assert account.secret_key not in said
        assert account.account_number not in said
