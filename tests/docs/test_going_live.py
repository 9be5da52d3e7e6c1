"""The walk through the first day: each command of the page, in order, on a machine of its own.

The paper exchange stands in Alpaca's place; it is 10:31 there, of a day in 2013. The feeds and the
volatility index lie in the open internet, which no test reaches.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from ops_local.cli import main
from ops_local.exchange.accounts import key_variables
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.domain.operations.manifest import MACHINES
from tests.conftest import ROOT
from tests.contract.paper_street import LARGE, ask, write_market
from tests.replay.conftest import server_home
from tests.support.exchange_thread import ExchangeThread
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, NOWHERE

PAGE = (ROOT / "docs" / "going-live.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# What ends with 1 here, and why; all others end with 0.
NOT_GOOD = {
    "ops check": "feeds and the volatility index are out of reach",
    "ops explain": "there is no trade yet",
    "ops close --yes": "there is nothing to close",
}
_STARTED = "large: bound, ACTIVE at its broker"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The environment of somebody who follows the page, and the exchange."""
    folder = tmp_path_factory.mktemp("going-live")
    market = write_market(folder / "market", tickers=("AAPL", "MSFT", "SPY"))
    exchange = ExchangeThread(market, folder / "exchange.sqlite", [LARGE])
    exchange.set_clock(NOW)
    before = Path.cwd()
    os.chdir(folder)
    with server_home() as home:
        variables = {
            "OPS_HOME": str(home.folder),
            "USER": "ann",
            "PATH": os.environ["PATH"],
            "ALPACA_TRADING_URL": exchange.url,
            "ALPACA_DATA_URL": exchange.url,
            "VIX_URL": f"{NOWHERE}/vix.csv",
            # Nobody there either: the starter's feeds are not asked from a test.
            "FEED_PROXY_URL": NOWHERE,
            **key_variables([LARGE]),
        }
        yield {"variables": variables, "exchange": exchange}
    os.chdir(before)
    exchange.stop()


@contextmanager
def _up(variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops_local.cli", "up"],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _started_and_stopped(variables: dict[str, str]) -> int:
    """`ops up` until its start checks are through, stopped as systemd stops it."""
    with _up(variables) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if _STARTED in line:
                break
        assert any(_STARTED in line for line in said), "".join(said)
        process.send_signal(signal.SIGTERM)
        return process.wait(120)


def test_each_command_of_the_page_works_in_its_order(
    place: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    variables, exchange = place["variables"], place["exchange"]
    said: dict[str, str] = {}
    unexpected: dict[str, str] = {}
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "ops"
        if words == ["up"]:
            code = _started_and_stopped(variables)
        else:
            code = main(words, variables, FixedClock(NOW))
        told = capsys.readouterr()
        said[command] = told.out
        if code != (1 if command in NOT_GOOD else 0):
            unexpected[command] = f"{code}: {told.out}{told.err}"
        assert "Traceback" not in told.out + told.err

    assert unexpected == {}
    _, orders = ask(exchange, "GET", "/v2/orders?status=all")
    assert [(it["symbol"], it["status"], it["filled_qty"]) for it in orders] == [
        ("SPY", "canceled", "0")
    ]
    bad = {line for line in said["ops check"].splitlines() if line.startswith("BAD")}
    assert {line.split()[1].rstrip(":") for line in bad} == {"feed", "vix"}


def test_each_alert_that_the_page_names_exists() -> None:
    walk = PAGE.partition("hour by hour")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", walk))
    assert named <= set(get_args(AlertKind))


def test_the_page_s_hours_are_the_schedules() -> None:
    walk = PAGE.partition("hour by hour")[2].partition("\n## ")[0]
    for machine in MACHINES:
        assert machine.name in walk
    [daily] = [machine for machine in MACHINES if machine.name == "daily_cycle"]
    assert daily.starts.described == "08:30 and 16:20"
    for hour in ("08:30", "09:25", "16:10", "16:20"):
        assert f"| {hour} |" in walk
