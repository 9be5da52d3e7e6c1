"""`ops accounts bind` and its function: what is compared, what is bound, what is refused."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from functions.control.handler import lambda_handler
from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.launcher import RunningExchange
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import accounts, bindings
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.account_binding import BindCommand
from tests.conftest import MIGRATIONS
from tests.contract.paper_street import LARGE, TINY, ask, place
from tests.contract.stub_broker import ACCOUNT, ACCOUNT_NUMBER, Answer, serving
from tests.support.builders_market import rows
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import NOW, exchange_at_tick, in_process, leading_to


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def variables(exchange: RunningExchange, database_urls: DatabaseUrls) -> dict[str, str]:
    return leading_to(exchange, database_urls)


@pytest.fixture
def runtime(variables: dict[str, str]) -> Iterator[Runtime]:
    with closing(Runtime(variables, FixedClock(NOW))) as runtime:
        yield runtime


def command(**changes: Any) -> BindCommand:
    return replace(BindCommand(operator="anna", reason="first day", confirm=True), **changes)


def bound(runtime: Runtime, **changes: Any) -> dict[str, dict[str, Any]]:
    """What came of it, by account."""
    found = runtime.binder.run(command(**changes))["accounts"]
    return {row["account"]: row for row in found}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["state"] for name, row in found.items()}


def test_every_account_is_compared_first_and_nothing_is_bound_by_that(
    db: Database, runtime: Runtime
) -> None:
    found = bound(runtime, confirm=False)

    assert states(found) == {"large": "can be bound", "tiny": "can be bound"}
    assert found["large"] == {
        "account": "large", "broker": "alpaca", "mode": "ALPACA_PAPER", "number": "…ARGE",
        "newest_order": "none here", "state": "can be bound", "why": "",
    }  # fmt: skip
    assert rows(db, "SELECT 1 FROM account_bindings") == []
    assert rows(db, "SELECT 1 FROM binding_salt") == []
    assert rows(db, "SELECT 1 FROM operator_actions") == []


def test_what_is_confirmed_is_bound_and_recorded_without_the_number(
    db: Database, runtime: Runtime
) -> None:
    assert states(bound(runtime)) == {"large": "bound", "tiny": "bound"}

    assert runtime.broker("large").account().account_number == LARGE.account_number
    actions = rows(db, "SELECT * FROM operator_actions ORDER BY scope")
    assert [(row["action"], row["scope"], row["operator"]) for row in actions] == [
        ("bind", "large", "anna"),
        ("bind", "tiny", "anna"),
    ]
    assert LARGE.account_number not in str(actions)
    assert states(bound(runtime)) == {"large": "bound already", "tiny": "bound already"}
    assert len(rows(db, "SELECT 1 FROM operator_actions")) == 2


def test_one_account_without_keys_keeps_no_other_from_being_bound(
    runtime: Runtime, variables: dict[str, str]
) -> None:
    del variables["ALPACA_LARGE_KEY_ID"]
    found = bound(runtime)
    assert states(found) == {"large": "refused", "tiny": "bound"}
    assert found["large"]["why"] == "ALPACA_LARGE_KEY_ID is not set"


def test_keys_that_open_another_number_than_stands_beside_them_are_refused(
    runtime: Runtime, variables: dict[str, str]
) -> None:
    variables["ALPACA_LARGE_ACCOUNT_NUMBER"] = "PA-OTHER-77"
    found = bound(runtime, account="large")
    assert states(found) == {"large": "refused"}
    assert "another account" in found["large"]["why"]


@pytest.mark.parametrize(("forbidden", "state"), [(False, "refused"), (True, "bound")])
def test_an_account_that_may_sell_short_is_not_bound(
    runtime: Runtime, variables: dict[str, str], *, forbidden: bool, state: str
) -> None:
    with serving() as stub:
        stub.script("GET /v2/account", Answer(body={**ACCOUNT, "shorting_enabled": True}))
        stub.script("GET /v2/account/configurations", Answer(body={"no_shorting": forbidden}))
        variables["ALPACA_TRADING_URL"] = stub.url
        variables["ALPACA_LARGE_ACCOUNT_NUMBER"] = ACCOUNT_NUMBER
        found = bound(runtime, account="large")
    assert found["large"]["state"] == state
    assert ("may sell short" in found["large"]["why"]) != forbidden


def test_two_accounts_whose_keys_open_one_are_not_both_bound(
    runtime: Runtime, variables: dict[str, str]
) -> None:
    variables.update(key_variables([replace(LARGE, name="tiny")]))
    compared = bound(runtime, confirm=False)
    assert states(compared) == {"large": "can be bound", "tiny": "refused"}
    assert "the keys of large open the same account" in compared["tiny"]["why"]
    assert states(bound(runtime)) == {"large": "bound", "tiny": "refused"}
    alone = bound(runtime, account="tiny")
    assert "large is bound to that account" in alone["tiny"]["why"]


@pytest.mark.parametrize(
    ("number", "state"),
    [(None, "refused"), ("PA-WRONG-1", "refused"), (LARGE.account_number, "bound")],
)
def test_an_account_without_our_newest_order_takes_the_operators_word_for_its_number(
    db: Database, runtime: Runtime, number: str | None, state: str
) -> None:
    """As when the secrets were swapped before anything was bound, or the account was reset."""
    bench = TradingBench(db)
    bench.recommend()
    bench.dispatch()
    found = bound(runtime, account="large", number=number)
    assert found["large"]["newest_order"] == "missing"
    assert found["large"]["state"] == state


def test_our_newest_order_there_vouches_for_the_account(
    db: Database, runtime: Runtime, exchange: RunningExchange
) -> None:
    bench = TradingBench(db)
    bench.recommend()
    bench.dispatch()
    name = bench.order()["client_order_id"]
    body = {
        "symbol": "AAA", "qty": "1", "side": "buy", "type": "limit", "limit_price": "9",
        "time_in_force": "day", "client_order_id": name,
    }  # fmt: skip
    assert ask(exchange, "POST", "/v2/orders", body)[0] == 200
    found = bound(runtime, account="large")
    assert (found["large"]["newest_order"], found["large"]["state"]) == ("there", "bound")


def test_an_account_in_use_is_not_bound_to_another_number(
    db: Database, runtime: Runtime, variables: dict[str, str]
) -> None:
    bound(runtime, account="large")
    variables.update(key_variables([replace(TINY, name="large")]))
    found = bound(runtime, account="large")
    assert "not halted by an operator" in found["large"]["why"]
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET operator_halt = 'reset' WHERE account_name = 'large'")
    assert states(bound(runtime, account="large")) == {"large": "bound"}


def test_an_account_that_was_reset_gives_up_what_was_open_under_its_old_number(
    db: Database, runtime: Runtime, exchange: RunningExchange
) -> None:
    bench = TradingBench(db)
    with db.transaction() as tx:
        bindings.bind(
            tx, accounts.load(tx, "large"), "PA-BEFORE", new_salt=lambda: b"s" * 32, by="t", now=NOW
        )
    bench.buy()
    bench.next_minute()
    bench.guard()
    bench.quote("BBB")
    bench.recommend("BBB")
    bench.dispatch()
    bench.set_account(operator_halt="the account was reset")
    number = LARGE.account_number
    without = bound(runtime, account="large", number=number)
    assert "1 positions open, 2 orders live" in without["large"]["why"]
    assert states(bound(runtime, account="large", number=number, reset=True, confirm=False)) == {
        "large": "can be bound"
    }
    assert bench.position()["status"] == "open"

    assert states(bound(runtime, account="large", number=number, reset=True)) == {"large": "bound"}

    assert bench.position()["status"] == "closed"
    (history,) = bench.rows("SELECT exit_price, verified, exit_reason FROM position_history")
    assert history == {
        "exit_price": None, "verified": False, "exit_reason": "missing_at_broker"
    }  # fmt: skip
    assert {row["status"] for row in bench.orders()} == {"filled", "canceled"}
    action = bench.rows("SELECT details FROM operator_actions")[-1]
    assert action["details"]["given_up"] == {"orders": 2, "positions": 1}
    assert runtime.broker("large").positions() == []


def test_an_account_with_our_newest_order_was_not_reset(
    db: Database, runtime: Runtime, exchange: RunningExchange
) -> None:
    bench = TradingBench(db)
    bench.quote("BBB")
    bench.recommend("BBB")
    bench.dispatch()
    place(exchange, symbol="AAA", client_order_id=bench.order()["client_order_id"], limit_price="9")
    bench.set_account(operator_halt="a mistake")
    found = bound(runtime, account="large", number=LARGE.account_number, reset=True)
    assert "was not reset" in found["large"]["why"]
    assert bench.order()["status"] == "accepted"
    with pytest.raises(InvalidInput, match="give the number"):
        bound(runtime, account="large", reset=True)


def test_an_account_that_only_simulates_needs_no_binding(db: Database, runtime: Runtime) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET execution_mode = 'SIMULATED' WHERE account_name = 'tiny'")
    assert states(bound(runtime)) == {"large": "bound"}
    with pytest.raises(InvalidInput, match="tiny only simulates"):
        bound(runtime, account="tiny")


def test_a_number_needs_its_account_and_an_account_must_exist(runtime: Runtime) -> None:
    with pytest.raises(InvalidInput, match="which account"):
        bound(runtime, number="PA-1")
    with pytest.raises(InvalidInput, match="nobody is unknown"):
        bound(runtime, account="nobody")


def test_the_function_compares_unless_the_event_confirms(
    db: Database, variables: dict[str, str]
) -> None:
    event = {"action": "bind", "operator": "anna", "reason": "first day"}
    with in_process(Runtime(variables, FixedClock(NOW))):
        assert lambda_handler(event, None)["accounts"][0]["state"] == "can be bound"
        assert lambda_handler({**event, "confirm": True}, None)["accounts"][0]["state"] == "bound"
    assert bindings.find(db, "large") is not None


def test_the_verb_binds_on_this_machine_and_lists_what_is_bound(
    db: Database,
    variables: dict[str, str],
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = target_from_url(variables["DATABASE_URL"]).database
    here = {
        **variables,
        "DATABASE_URL": local.url_for(postgres.url, database=name),
        "OPS_HOME": str(tmp_path / "home"),
        "MIGRATIONS_DIR": str(MIGRATIONS),
    }
    del here["ALPACA_TINY_KEY_ID"]
    assert main(["accounts", "bind", "--all", "--json"], here) == 1
    told = json.loads(capsys.readouterr().out)["Bindings"]
    assert [row["state"] for row in told] == ["bound", "refused"]
    assert main(["accounts", "bind", "--account", "large"], here) == 0
    assert "bound already" in capsys.readouterr().out
    assert main(["accounts", "list"], here) == 0
    assert "no: ops accounts bind" in capsys.readouterr().out


@pytest.fixture
def stack(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with in_process(Runtime(variables, FixedClock(NOW))), lambda_endpoint() as endpoint:
        for name, value in endpoint.items():
            monkeypatch.setenv(name, value)
        yield STACK


def test_the_verb_reaches_a_deployed_stack(
    db: Database, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["accounts", "bind", "--all", "--yes", "--json", "--stack", stack]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)["Bindings"]
    assert [row["state"] for row in told] == ["bound", "bound"]
    assert main(["accounts", "list", "--json", "--stack", stack]) == 0
    listed = json.loads(capsys.readouterr().out)["Accounts"]
    assert [(row["account"], row["bound"]) for row in listed] == [
        ("large", "since 2013-10-07"),
        ("tiny", "since 2013-10-07"),
    ]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_on_a_terminal_the_verb_asks_after_the_comparison(
    db: Database, stack: str, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["accounts", "bind", "--account", "large", "--stack", stack]) == code
    assert (bindings.find(db, "large") is None) == (code == 1)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--all", "--account", "large"),
        ("--all", "--number", "P"),
        ("--account", "tiny", "--reset"),
    ],
)
def test_words_that_make_no_sense_are_a_usage_error(words: tuple[str, ...]) -> None:
    try:
        code = main(["accounts", "bind", *words], {})
    except SystemExit as left:
        code = int(str(left.code))
    assert code == 2
