"""The paper exchange as a process: durable, alone on its store, never left behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from os import kill
from pathlib import Path
from statistics import median

import pytest
import urllib3

from ops_local.exchange.accounts import dump
from ops_local.exchange.launcher import ExchangeFailed, RunningExchange, start
from ops_pipeline.domain.market import MINUTE
from tests.contract.paper_street import (
    LARGE,
    TINY,
    at,
    look,
    own,
    place,
    start_exchange,
    trading,
    write_market,
)


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        resting = place(exchange, qty="3", side="sell", limit_price="11")
        before = exchange.tables()
        kill(exchange.pid, signal.SIGKILL)

    with start_exchange(tmp_path) as again:
        assert again.tables() == before
        assert again.now() == at("10:31")
        assert look(again, resting)["status"] == "new"


def test_the_same_requests_leave_the_same_store_row_for_row(tmp_path: Path) -> None:
    books = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with start_exchange(tmp_path / name) as exchange:
            exchange.set_clock(at("10:31"))
            place(exchange, qty="250")
            place(exchange, account=TINY, qty="30")
            exchange.set_clock(at("10:35"))
            place(exchange, side="sell", qty="60", limit_price="10")
            exchange.set_clock(at("18:00"))
            books.append(exchange.tables())

    assert books[0] == books[1]
    assert len(books[0]["fills"]) == 5


def test_a_second_exchange_on_the_same_store_is_refused(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as first:
        with pytest.raises(ExchangeFailed, match="locked"):
            start_exchange(tmp_path)
        first.set_clock(at("10:31"))
        assert place(first)


def test_an_exchange_without_a_recording_says_why_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ExchangeFailed, match=r"session\.json"):
        start(tmp_path, tmp_path / "store.sqlite", [LARGE], tmp_path / "log")


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    exchange = start_exchange(tmp_path)
    exchange.stop()
    exchange.stop()
    assert not _alive(exchange.pid)


def test_the_keys_are_kept_out_of_store_and_log(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        place(exchange)

    for file in (tmp_path / "exchange.sqlite", tmp_path / "exchange.log"):
        assert LARGE.secret_key.encode() not in file.read_bytes()


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    market = write_market(tmp_path / "market")
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from ops_local.exchange.launcher import start\n"
        "from tests.contract.paper_street import LARGE\n"
        "market, home = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "running = start(market, home / 'store', [LARGE], home / 'log')\n"
        "print(running.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(market), str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        parent.kill()

    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def test_it_runs_by_hand_on_accounts_from_a_file(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.json"
    accounts.write_text(dump([LARGE]), encoding="utf-8")
    market = write_market(tmp_path / "market")
    command = [sys.executable, "-m", "ops_local.exchange", "--recording", str(market)]
    command += ["--store", str(tmp_path / "store"), "--accounts", str(accounts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        signed = {"Authorization": f"Bearer {served['control_token']}"}
        clock = urllib3.request("GET", f"{served['url']}/control/clock", headers=signed).json()
        process.terminate()

    assert clock == {"now": "2013-10-07T04:00:00Z"}
    # uvicorn raises the signal again once it has shut down in order.
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer guessed"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({"Authorization": "TOKEN", "Origin": "http://evil.example"}, 403),
        ({"Authorization": "TOKEN", "Host": "evil.example"}, 403),
        ({"Authorization": "TOKEN"}, 200),
    ],
)
def test_only_who_started_it_controls_it(
    exchange: RunningExchange, headers: dict[str, str], status: int
) -> None:
    """Any user of the machine could move its clock, and any page in a browser its books."""
    sent = {name: it.replace("TOKEN", f"Bearer {exchange.token}") for name, it in headers.items()}
    for method, path in (("GET", "/control/tables"), ("POST", "/control/faults")):
        answer = urllib3.request(method, exchange.url + path, headers=sent, json={})
        assert answer.status == status, answer.data


def test_a_terminated_exchange_leaves_a_whole_store_and_no_complaint(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        place(exchange)
        kill(exchange.pid, signal.SIGTERM)

    assert (tmp_path / "exchange.log").read_text(encoding="utf-8") == ""
    assert not (tmp_path / "exchange.sqlite-wal").exists()


def test_keep_alive_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        client = trading(exchange)
        asked = [_seconds(client.get_account) for _ in range(30)]
        moments = [at("10:00") + minute * MINUTE for minute in range(30)]
        moved = [_seconds(partial(exchange.set_clock, moment)) for moment in moments]

    # About 1 ms each; without TCP_NODELAY the kernel holds every answer for some 40 ms.
    assert median(asked) < 0.02
    assert median(moved) < 0.02


def test_the_store_refuses_a_second_order_under_one_client_order_id(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        place(exchange, client_order_id="once")

    with sqlite3.connect(tmp_path / "exchange.sqlite") as store:
        columns = [row[1] for row in store.execute("PRAGMA table_info(orders)")]
        copied = ", ".join(
            {"order_id": "'another'", "number": "2"}.get(name, name) for name in columns
        )
        with pytest.raises(sqlite3.IntegrityError, match="client_order_id"):
            store.execute(f"INSERT INTO orders SELECT {copied} FROM orders")
    store.close()


def _seconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"--recording": "nowhere"}, "nowhere/session.json: expected this file"),
        ({"--accounts": "none.json"}, "No such file or directory: 'none.json'"),
        ({"--accounts": "broken.json"}, "Expecting value"),
        ({"--accounts": "fieldless.json"}, "an account needs the fields that --help lists"),
        ({"--store": "nowhere/paper.sqlite"}, "unable to open database file"),
    ],
)
def test_what_it_cannot_start_on_is_said_in_one_line(
    tmp_path: Path, changes: dict[str, str], complaint: str
) -> None:
    write_market(tmp_path / "market")
    (tmp_path / "good.json").write_text(dump([LARGE]))
    (tmp_path / "broken.json").write_text("")
    (tmp_path / "fieldless.json").write_text('[{"name": "large"}]')
    asked = {"--recording": "market", "--store": "paper.sqlite", "--accounts": "good.json"}
    words = [word for pair in {**asked, **changes}.items() for word in pair]
    done = subprocess.run(
        [sys.executable, "-m", "ops_local.exchange", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("the exchange cannot start: ")
    assert complaint in line
