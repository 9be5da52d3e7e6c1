"""Runs a scenario with one death in it, and says what is wrong afterwards."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from ops_local import database as local
from ops_local import paper_accounts
from ops_local.comparison.databases import RowDifference, differences
from ops_local.database import DatabaseUrls
from ops_local.exchange import accounts as exchange_accounts
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.control_client import ControlClient
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.operations.invariants import BrokerRecords
from tests.chaos.boundaries import Moment
from tests.chaos.nursery import Life
from tests.chaos.scenarios import DAY, Scenario, keep, seed, start_over
from tests.conftest import ROOT
from tests.contract.paper_street import LARGE, TINY, write_market

ACCOUNTS = (LARGE, TINY)
LOOK_BACK = timedelta(hours=6)
_WHEN_KNOWN = {"acknowledged_at", "at", "recorded_at", "terminal_at", "updated_at"}


@dataclass(frozen=True)
class Death:
    """Where a run is killed: at which statement or request, from 1, and on which side of it."""

    number: int
    moment: Moment


@dataclass(frozen=True)
class Ended:
    """What a run left behind.

    Attributes:
        counted: What each boundary was: S a statement, C a COMMIT, B a request to the broker.
        wrong: Breaches and differences from the undisturbed end, in words.
        died: The death took place.
    """

    counted: str
    wrong: list[str]
    died: bool


class Nursery:
    """The process that forks exchanges and runs; see tests.chaos.nursery."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery ended"
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


@dataclass
class Laboratory:
    """A server with a migrated template, a folder, and a nursery."""

    admin: Database
    template: str
    urls: DatabaseUrls
    folder: Path
    nursery: Nursery
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _seeded: dict[str, str] = field(default_factory=dict)
    _undisturbed: dict[str, tuple[DatabaseUrls, str]] = field(default_factory=dict)

    def undisturbed(self, scenario: Scenario) -> str:
        """Run it once without a death and keep its end; what it counted."""
        if scenario.name not in self._undisturbed:
            name = f"chaos_{scenario.name}"
            local.clone_database(self.admin, self._seed(scenario), name)
            ended = self._run(scenario, None, name)
            assert ended.wrong == []
            # Else the hooks sit where nothing passes any more.
            assert ended.counted.count("S") > ended.counted.count("C") > 0
            assert "B" in ended.counted
            self._undisturbed[scenario.name] = (self._urls(name), ended.counted)
        return self._undisturbed[scenario.name][1]

    def killed(self, scenario: Scenario, death: Death) -> Ended:
        """Run it with this death, restart it until it is quiet, and look."""
        self.undisturbed(scenario)
        return self._run(scenario, death, self._seed(scenario))

    def boundaries(self, scenario: Scenario) -> list[Death]:
        """Every death worth dying: before each boundary, and after each that others can see.

        Between the end of one and the start of the next nothing leaves the process, so
        "after" is looked at where something just became visible: COMMIT and requests.
        """
        counted = self.undisturbed(scenario)
        before = [Death(number, "before") for number in range(1, len(counted) + 1)]
        after = [Death(n, "after") for n, kind in enumerate(counted, 1) if kind in "CB"]
        return sorted([*before, *after], key=lambda death: (death.number, death.moment == "after"))

    def _run(self, scenario: Scenario, death: Death | None, name: str) -> Ended:
        urls = self._urls(name)
        with closing(_login(urls.owner)) as database, database.transaction() as tx:
            start_over(tx)
        with self._exchange(scenario, f"{name}_{next(self._numbers)}") as exchange:
            tells = self.folder / f"{name}.counted"
            died = self._live(scenario, urls, exchange, death, tells)
            wrong = [*self._breaches(urls, exchange, scenario)]
            if death is not None:
                reference = self._undisturbed[scenario.name][0]
                found = differences(reference, urls, after_kill=True)
                wrong += [str(one) for one in found if not _is_known_sooner(one)]
        return Ended(tells.read_text(), wrong, died)

    def _live(
        self,
        scenario: Scenario,
        urls: DatabaseUrls,
        exchange: ControlClient,
        death: Death | None,
        tells: Path,
    ) -> bool:
        exchange.set_clock(scenario.ticks()[0])
        life = Life(
            scenario=scenario.name,
            variables=_variables(urls, exchange.url),
            control_token=exchange.token,
            begins=scenario.ticks()[0].isoformat(),
            dies_at=death.number if death else None,
            moment=death.moment if death else "before",
            tells=str(tells),
        )
        code = self.nursery.ask("live", **asdict(life))["code"]
        if code == -signal.SIGKILL:
            begins = exchange.now().isoformat()
            again = {**asdict(life), "begins": begins, "dies_at": None}
            assert self.nursery.ask("live", **again)["code"] == 0
            return True
        assert code == 0
        return False

    def _breaches(
        self, urls: DatabaseUrls, exchange: ControlClient, scenario: Scenario
    ) -> Iterator[str]:
        now = exchange.now()
        books = {account.name: _books(account, exchange.url, now) for account in ACCOUNTS}
        with closing(_login(urls.owner)) as database, database.transaction() as tx:
            long_after = now + timedelta(hours=1)
            for breach in invariants.check(tx, now=long_after, broker=books):
                yield str(breach)

    def _seed(self, scenario: Scenario) -> str:
        if scenario.name not in self._seeded:
            name = f"seeded_{scenario.name}"
            local.clone_database(self.admin, self.template, name)
            with closing(_login(self._urls(name).writer)) as database:
                seed(database, scenario)
                with database.transaction() as tx:
                    paper_accounts.bind(tx, ACCOUNTS, scenario.ticks()[0])
            with closing(_login(self._urls(name).owner)) as database, database.transaction() as tx:
                keep(tx)
            write_market(self.folder / scenario.name, scenario.changes(), day=DAY, tickers=["AAA"])
            self._seeded[scenario.name] = name
        return self._seeded[scenario.name]

    @contextmanager
    def _exchange(self, scenario: Scenario, name: str) -> Iterator[ControlClient]:
        served = self.nursery.ask(
            "serve",
            recording=str(self.folder / scenario.name),
            store=str(self.folder / f"{name}.sqlite"),
            accounts=exchange_accounts.dump(ACCOUNTS),
        )
        try:
            yield ControlClient(served["url"], served["control_token"])
        finally:
            self.nursery.ask("stop", pid=served["pid"], held=served["held"])
            for left in self.folder.glob(f"{name}.sqlite*"):
                left.unlink()

    def _urls(self, name: str) -> DatabaseUrls:
        return self.urls.in_database(name)


def _is_known_sooner(difference: RowDifference) -> bool:
    """Whether nothing but the moment differs at which we came to know of a fact.

    The reply to an order does not show what it filled at once; a look-up does. So a run
    that was killed after sending may book a fill a tick before the undisturbed one.
    """
    return difference.kind == "differs" and set(difference.columns) <= _WHEN_KNOWN


def _variables(urls: DatabaseUrls, url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": urls.writer,
        **urls.groups(),
        "ALPACA_TRADING_URL": url,
        "ALPACA_DATA_URL": url,
        "OPS_DEPLOYMENT": "chaos",
        "BROKER_READ_AFTER_WRITE": "true",
        **key_variables(ACCOUNTS),
    }


def _books(account: exchange_accounts.PaperAccount, url: str, now: datetime) -> BrokerRecords:
    broker = AlpacaBroker(url, account.key_id, account.secret_key, account.account_number)
    since = now - LOOK_BACK
    return BrokerRecords(
        orders=broker.orders_since(since),
        positions=broker.positions(),
        fills=broker.fills_since(since),
    )


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="chaos")
