"""`ops rebuild` on the command line, here and at a stack: shown, asked for, done, refused."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.contract.paper_street import ask, place
from tests.support.builders_market import in_force, rows
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import NOW, NOWHERE, exchange_at_tick, in_process, leading_to

RESTING = "main-large-BBB-20131007T1430-entry-1"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Lost:
    """An empty database beside a broker that holds 10 AAA of `large`, and the words to reach it."""

    exchange: RunningExchange
    variables: dict[str, str]
    db: Database
    where: list[str]

    def ops(self, *words: str) -> int:
        """The exit code."""
        try:
            return main([*words, *self.where], self.variables, FixedClock(NOW))
        except SystemExit as stop:
            return int(str(stop.code))

    def rebuild(self, *words: str) -> int:
        return self.ops("rebuild", "--reason", "the disk died", "--operator", "ann", *words)

    def held(self) -> list[str]:
        return [row["symbol"] for row in rows(self.db, "SELECT symbol FROM active_positions")]

    def actions(self) -> list[tuple[str, str]]:
        found = rows(self.db, "SELECT action, operator FROM operator_actions ORDER BY 1, 2")
        return [(row["action"], row["operator"]) for row in found]


@pytest.fixture(params=["here", "a stack"])
def lost(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    db: Database,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lost]:
    in_force(db)
    database_urls: DatabaseUrls = request.getfixturevalue("database_urls")
    with ExitStack() as stack:
        exchange = stack.enter_context(exchange_at_tick(tmp_path))
        place(exchange, client_order_id="main-large-AAA-20131007T1430-entry-1")
        leading = leading_to(exchange, database_urls)
        variables = {**leading, "DATABASE_URL": admin_url, "OPS_HOME": str(tmp_path / "home")}
        variables |= {"MIGRATIONS_DIR": str(MIGRATIONS)}
        where: list[str] = []
        if request.param == "a stack":
            stack.enter_context(in_process(Runtime(leading, FixedClock(NOW))))
            for name, value in stack.enter_context(lambda_endpoint()).items():
                monkeypatch.setenv(name, value)
            where = ["--stack", STACK]
        monkeypatch.setattr(sys, "stdin", StringIO(""))
        yield Lost(exchange, variables, db, where)


def test_it_shows_what_the_brokers_have_and_asks(
    lost: Lost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert lost.rebuild() == 1
    told = capsys.readouterr()
    assert "What the brokers have" in told.out
    assert "can be rebuilt" in told.out
    assert "Halt entries and adopt this? [y/N]" in told.err
    assert told.err.endswith("Nothing was changed.\n")
    assert (lost.held(), lost.actions()) == ([], [])


@pytest.mark.parametrize("answer", ["y\n", None], ids=["yes", "no terminal"])
def test_it_adopts_and_says_that_entries_are_halted(
    lost: Lost,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | None,
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("") if answer is None else Terminal(answer))
    assert lost.rebuild() == 0
    told = capsys.readouterr()
    assert "Rebuilt" in told.out
    assert "Entries are halted." in told.err
    assert lost.held() == ["AAA"]
    assert ("rebuild", "ann") in lost.actions()
    halts = rows(lost.db, "SELECT ledger_halt FROM accounts")
    assert {row["ledger_halt"] for row in halts} == {
        "Rebuilt from the broker by ann: the disk died"
    }


def test_yes_is_not_asked_and_json_is_one_object(
    lost: Lost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert lost.rebuild("--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    states = {row["account"]: row["state"] for part in told.values() for row in part}
    assert states == {"large": "rebuilt", "tiny": "rebuilt"}


def test_one_account_alone(lost: Lost, capsys: pytest.CaptureFixture[str]) -> None:
    assert lost.rebuild("--account", "tiny") == 0
    capsys.readouterr()
    assert lost.held() == []
    halts = rows(lost.db, "SELECT account_name FROM accounts WHERE ledger_halt IS NOT NULL")
    assert [row["account_name"] for row in halts] == ["tiny"]


def test_run_twice_it_adopts_nothing_twice(lost: Lost, capsys: pytest.CaptureFixture[str]) -> None:
    assert lost.rebuild() == 0
    assert lost.rebuild() == 0
    capsys.readouterr()
    assert lost.held() == ["AAA"]


def test_resume_lets_in_what_agrees(lost: Lost, capsys: pytest.CaptureFixture[str]) -> None:
    assert lost.rebuild() == 0
    assert lost.ops("resume", "--reason", "compared by hand", "--yes") == 0
    assert "stays halted" not in capsys.readouterr().err
    assert rows(lost.db, "SELECT 1 FROM accounts WHERE ledger_halt IS NOT NULL") == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--reason"),
        (["--reason", " "], 1, "reason: say why"),
        (["--reason", "x", "--account", "nobody"], 1, "nobody"),
        (["--reason", "x", "--account", ""], 1, "account"),
    ],
)
def test_what_it_does_not_understand_changes_nothing(
    lost: Lost, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert lost.ops("rebuild", *words) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert (lost.held(), lost.actions()) == ([], [])


@pytest.mark.parametrize("words", [(), ("--yes",), ("--json",)])
def test_where_no_broker_is_reached_nothing_is_halted_and_it_does_not_say_so(
    lost: Lost, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    faults = [
        {"kind": "server_error", "requests": "GET .*", "account": name}
        for name in ("large", "tiny")
    ]
    lost.exchange.set_faults(faults, seed=1)
    assert lost.rebuild(*words) == 1
    told = capsys.readouterr()
    assert "Rebuilt" not in told.out
    assert "Entries are halted" not in told.err
    assert told.err.endswith("Nothing was rebuilt, and no entries were halted.\n")
    assert rows(lost.db, "SELECT 1 FROM accounts WHERE ledger_halt IS NOT NULL") == []
    assert lost.actions() == []


def test_an_account_whose_broker_is_not_reached_is_refused_and_stays_halted(
    lost: Lost, capsys: pytest.CaptureFixture[str]
) -> None:
    lost.exchange.set_faults(
        [{"kind": "server_error", "requests": "GET .*", "account": "tiny"}], seed=1
    )
    assert lost.rebuild() == 1
    told = capsys.readouterr()
    assert "refused" in told.out
    assert "tiny is refused: " in told.err
    assert lost.held() == ["AAA"]
    halted = rows(lost.db, "SELECT 1 FROM accounts WHERE ledger_halt IS NOT NULL")
    assert len(halted) == 2


def test_without_a_stack_s_function_it_says_so(
    lost: Lost, capsys: pytest.CaptureFixture[str]
) -> None:
    if not lost.where:
        lost.variables["ALPACA_TRADING_URL"] = NOWHERE
        assert lost.rebuild() == 1
        assert "refused" in capsys.readouterr().out
        return
    lost.where = ["--stack", "no-such-stack"]
    assert lost.rebuild() == 1
    told = capsys.readouterr().err
    assert "no-such-stack" in told
    assert "Traceback" not in told


def test_it_is_run_beside_a_pipeline_that_runs(
    lost: Lost, capsys: pytest.CaptureFixture[str]
) -> None:
    """Restored under a live pipeline, say: what rests is known, and no order is sent by it."""
    place(lost.exchange, symbol="BBB", client_order_id=RESTING, limit_price="5.00")
    assert lost.rebuild() == 0
    _, resting = ask(lost.exchange, "GET", "/v2/orders?status=open")
    assert [it["client_order_id"] for it in resting] == [RESTING]
    capsys.readouterr()
