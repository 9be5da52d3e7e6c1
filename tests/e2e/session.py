"""Minutes of the generated session, played by the deployed machines and by the local replay."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types
from botocore.config import Config  # type: ignore[import-untyped]

from infra.definitions import load_schedules
from infra.schedule import Tick, ticks
from ops_local import replay_environment
from ops_local.exchange.launcher import RunningExchange, start
from ops_local.feeds.server import FeedServer
from ops_local.home import Home
from ops_local.recordings.recording import Recording
from ops_local.replay_environment import ACCOUNTS, ReplayPlan
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.bars import BAR_OFFSET_S
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.stages.operating import feed_setup, watching
from tests.e2e.cloud import REGION, STACK, Cloud

# The morning's daily cycle, without whose reading of the VIX nothing is bought, and ten
# minutes in which the generated session of the default seed has entries in both accounts.
MORNING = datetime(2026, 2, 4, 13, 30, tzinfo=UTC)
FIRST = datetime(2026, 2, 4, 15, 53, tzinfo=UTC)
MINUTES = (MORNING, *(FIRST + timedelta(minutes=number) for number in range(10)))
_MINUTE = timedelta(minutes=1)
# Standard machines are started and looked at; the others answer.
_STANDARD = ("daily_cycle",)
# Waits for the bars of the minute, as soon as its clock has been read.
_WAITING = "trading_cycle"
_TIMEOUT_S = 300


@dataclass
class DeployedSession:
    """The deployed stack with this machine's exchange and feeds where its vendors would be."""

    cloud: Cloud
    exchange: RunningExchange
    now: datetime
    failures: list[str]
    database_url: str

    def play(self, minutes: tuple[datetime, ...] = MINUTES) -> None:
        """Start what is due in each minute, in the local clock's order; failures are kept."""
        for minute in minutes:
            self._set_clocks(minute)
            for tick in ticks(load_schedules(), minute, minute + _MINUTE):
                waits = tick.target == _WAITING
                outcome = self._start_and_wait(tick) if waits else self._start(tick)
                if outcome is not None:
                    self.failures.append(f"{minute:%H:%M} {tick.target}: {outcome}")

    def _set_clocks(self, moment: datetime) -> None:
        self.now = moment
        self.exchange.set_clock(moment)
        self.cloud.set_clock(moment)

    def _start_and_wait(self, tick: Tick) -> str | None:
        """Start it, and move the clocks on while it waits, which takes its seconds for real."""
        before = self._clocks_read()
        with ThreadPoolExecutor(1) as beside:
            running = beside.submit(self._start, tick)
            while not running.done() and self._clocks_read() == before:
                time.sleep(0.1)
            self._set_clocks(self.now + timedelta(seconds=BAR_OFFSET_S))
            return running.result()

    def _clocks_read(self) -> int:
        """How often a machine's first stage has run."""
        database = Database(target_from_url(self.database_url), application_name="e2e")
        with closing(database), database.transaction() as tx:
            [row] = tx.rows("SELECT count(*) AS n FROM pipeline_runs WHERE stage = 'market_clock'")
            return int(row["n"])

    def _start(self, tick: Tick) -> str | None:
        """Return what went wrong."""
        name = f"{STACK}-{tick.target.replace('_', '-')}"
        if tick.kind == "function":
            with _client(self.cloud, "lambda") as functions:
                answer = functions.invoke(FunctionName=name, Payload=json.dumps(tick.event))
                said = answer["Payload"].read().decode()
            return said if "FunctionError" in answer else None
        with _client(self.cloud, "stepfunctions") as machines:
            ended = _run_machine(machines, name, tick)
        if ended["status"] == "SUCCEEDED":
            return None
        return f"{ended['status']} {ended.get('error')}: {ended.get('cause')}"


def _run_machine(machines: Any, name: str, tick: Tick) -> dict[str, Any]:
    arn = next(
        each["stateMachineArn"]
        for each in machines.list_state_machines()["stateMachines"]
        if each["name"] == name
    )
    text = json.dumps(tick.event)
    if tick.target not in _STANDARD:
        return dict(machines.start_sync_execution(stateMachineArn=arn, input=text))
    started = machines.start_execution(stateMachineArn=arn, input=text)["executionArn"]
    while True:
        seen = dict(machines.describe_execution(executionArn=started))
        if seen["status"] != "RUNNING":
            return seen


@contextmanager
def _client(cloud: Cloud, service: str) -> Iterator[Any]:
    config = Config(
        read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1}, inject_host_prefix=False
    )
    client = boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=REGION,
        aws_access_key_id=cloud.variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.variables["AWS_SECRET_ACCESS_KEY"],
        config=config,
    )
    with closing(client):
        yield client


@contextmanager
def deployed_session(
    cloud: Cloud, recording: Recording, database_url: str
) -> Iterator[DeployedSession]:
    """Stand this machine's servers in the vendors' places, subscribe feeds, bind the accounts."""
    folder = cloud.folder
    session: DeployedSession | None = None

    def now() -> datetime:
        return MORNING if session is None else session.now

    with (
        start(
            recording.folder, folder / "exchange.sqlite", ACCOUNTS, folder / "exchange.log"
        ) as exchange,
        FeedServer(recording, now) as served,
    ):
        exchange.set_behaviour("bar_publication", "late")  # as in a replay
        cloud.set_variables(
            {
                "ALPACA_TRADING_URL": exchange.url,
                "ALPACA_DATA_URL": exchange.url,
                "VIX_URL": served.vix_url,
                "FEED_PROXY_URL": served.proxy_url,
                "FEED_HOST_INTERVAL_S": "0",
                "FEED_ALLOWED_NETWORKS": "127.0.0.0/8",
            }
        )
        database = Database(target_from_url(database_url), application_name="e2e")
        with closing(database), database.transaction() as tx:
            watching.watch_only(tx, recording.tickers)
            # As the replay that it is compared with, and at the same moment.
            offered = [FeedSpec(url, source) for source, url in sorted(served.feeds.items())]
            feed_setup.apply(tx, feed_setup.plan_exactly(tx, offered), MORNING)
        cloud.ops("accounts", "bind", "--all", "--yes", "--reason", "e2e")
        session = DeployedSession(cloud, exchange, MORNING, [], database_url)
        yield session


@contextmanager
def replayed_session(home: Path, recording: Recording, migrations: Path) -> Iterator[str]:
    """The same minutes by the local engine; yields a URL of the database that it filled."""
    plan = ReplayPlan(
        recording=recording,
        home=Home(home),
        migrations=migrations,
        first=MORNING,
        last=MINUTES[-1] + _MINUTE,
        deployment="main",
    )
    with replay_environment.opened(plan) as environment:
        for minute in MINUTES:
            environment.advance(minute, lambda _at, _tally: None)
            for tick in ticks(load_schedules(), minute, minute + _MINUTE):
                environment.pipeline.run(tick)
        assert environment.pipeline.tally.failures == []
        yield environment.urls.reader
