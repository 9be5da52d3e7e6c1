"""`ops accounts add`, `switch` and `limits`: accounts are set up by hand, audited and in bounds."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from functions.control.handler import lambda_handler
from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import InvalidInput, SettingsInvalid
from ops_pipeline.runtime.registry import broker_named
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating.account_setup import AccountCommand, AccountSetup
from tests.conftest import MIGRATIONS
from tests.support.builders_market import rows
from tests.support.builders_trading import ELEVEN, TradingBench
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process


def _variables(urls: DatabaseUrls, **more: str) -> dict[str, str]:
    return {**urls.variables(), "MIGRATIONS_DIR": str(MIGRATIONS), **more}


@pytest.fixture(params=["here", "in a stack"])
def ops(
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Any]:
    """The command line, speaking to this database or to a stack that has it."""
    name = target_from_url(database_urls.owner).database
    url = local.url_for(postgres.url, database=name)
    variables = {"DATABASE_URL": url, "OPS_HOME": str(tmp_path), "USER": "ann"}
    if request.param == "here":
        yield lambda *words: main(words, variables)
        return
    with (
        in_process(Runtime(_variables(database_urls), FixedClock(ELEVEN))),
        lambda_endpoint() as endpoint,
    ):
        for name, value in endpoint.items():
            monkeypatch.setenv(name, value)
        yield lambda *words: main((*words, "--stack", STACK, "--operator", "ann"), variables)


@pytest.fixture
def runtime(database_urls: DatabaseUrls) -> Iterator[Runtime]:
    """A control function of a stack that was deployed with two accounts."""
    variables = _variables(database_urls, DEPLOYED_ACCOUNTS="large,tiny")
    with in_process(Runtime(variables, FixedClock(ELEVEN))) as runtime:
        yield runtime


def asked(action: str, account: str, **more: Any) -> dict[str, Any]:
    event = {"action": action, "account": account, "operator": "ann", "reason": "setting up"}
    return lambda_handler({**event, **more}, None)


def at_the_bench(bench: TradingBench, **more: Any) -> dict[str, Any]:
    setup = AccountSetup(db=bench.db, knows_broker=broker_named, clock=bench.clock)
    return setup.run(AccountCommand(operator="ann", reason="setting up", account="large", **more))


def account(db: Database, name: str) -> dict[str, Any]:
    [row] = rows(db, "SELECT * FROM accounts WHERE account_name = :name", name=name)
    return dict(row)


def kept(db: Database) -> list[tuple[str, ...]]:
    found = rows(db, "SELECT operator, action, scope FROM operator_actions ORDER BY at, action")
    return [tuple(row.values()) for row in found]


def test_an_added_account_is_off_and_unbound_and_what_is_next_is_said(
    ops: Any, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("accounts", "add", "second", "max_positions=3", "max_exposure=3000") == 0
    said = capsys.readouterr().out
    assert "second: added at alpaca, paper: max_positions 3, max_exposure 3000" in said
    assert "ALPACA_SECOND_KEY_ID" in said
    assert "then `ops accounts bind --account second`" in said
    row = account(db, "second")
    assert (row["active"], row["execution_mode"], row["max_exposure"]) == (
        False, "ALPACA_PAPER", 3000)  # fmt: skip
    assert row["allowed_actions"] == ["BUY_STOCK", "SELL_STOCK"]
    assert kept(db) == [("ann", "add_account", "second")]
    with db.transaction() as tx:
        assert accounts.entry_accounts(tx) == ["large", "tiny"]


def test_what_is_there_already_changes_nothing_and_ends_with_1(
    ops: Any, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    before = account(db, "tiny")
    assert ops("accounts", "add", "tiny", "max_exposure=9000") == 1
    assert ops("accounts", "switch", "tiny", "on") == 1
    assert ops("accounts", "limits", "tiny", "max_positions=1") == 1
    told = capsys.readouterr()
    assert told.err.count("nothing was changed") == 3
    assert "there is an account tiny already" in told.out
    assert "it is switched on already" in told.out
    assert (account(db, "tiny"), kept(db)) == (before, [])


def test_limits_change_within_their_bounds_and_are_kept_with_both_values(
    ops: Any, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("accounts", "limits", "tiny", "max_exposure=1500", "max_daily_loss=75.50") == 0
    assert capsys.readouterr().out.splitlines() == [
        "tiny: max_exposure: 2000 -> 1500",
        "tiny: max_daily_loss: 100 -> 75.5",
    ]
    [action] = rows(db, "SELECT details FROM operator_actions")
    assert action["details"]["changed"][0] == "max_exposure: 2000 -> 1500"
    assert ops("accounts", "limits", "tiny", "max_exposure=20000000", "max_loss=1") == 1
    told = capsys.readouterr().err
    assert "max_exposure: expected USD of 1 to 1,000,000; max_loss: unknown" in told
    assert ops("accounts", "limits", "tiny", "max_daily_loss=1600") == 1
    assert "it must be at most max_exposure, which is 1500" in capsys.readouterr().err
    assert account(db, "tiny")["max_daily_loss"] == 75.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "Big"), "small letters, digits and _"),
        (("add", "other", "--broker", "nobody"), "known: alpaca"),
        (("switch", "huge", "off"), "huge is unknown; known are large, tiny"),
        (("limits", "huge", "max_positions=1"), "huge is unknown"),
        (("switch", "tiny", "off", "--reason", " "), "reason"),
    ],
)
def test_what_is_none_is_refused_by_its_name(
    ops: Any, db: Database, capsys: pytest.CaptureFixture[str], words: Any, said: str
) -> None:
    assert ops("accounts", *words) == 1
    assert said in capsys.readouterr().err
    assert kept(db) == []


def test_words_that_are_no_limit_are_a_wrong_command(
    database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["accounts", "limits", "tiny", "max_positions"]
    assert main(words, _variables(database_urls)) == 2
    assert "write LIMIT=VALUE" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["accounts", "add", "rich", "--mode", "live"], _variables(database_urls))


def test_real_money_is_not_offered_by_the_function_either(runtime: Runtime, db: Database) -> None:
    with pytest.raises(InvalidInput, match="real money is not offered"):
        asked("add_account", "tiny", mode="live")
    assert len(rows(db, "SELECT 1 FROM accounts")) == 2


def test_switching_off_leaves_what_is_open_guarded_and_says_so(bench: TradingBench) -> None:
    bench.buy()
    bench.guard()
    done = at_the_bench(bench, action="switch_account", on=False)
    assert done["changed"] == ("switched off",)
    assert done["notes"] == (
        "1 positions and 1 live orders stay open and guarded: stops and exits go on;"
        " `ops close --account large` sells",
    )
    with bench.db.transaction() as tx:
        assert accounts.entry_accounts(tx) == ["tiny"]
        assert accounts.guard_accounts(tx, bench.clock.now()) == ["large", "tiny"]
    assert bench.position()["status"] == "open"


def test_limits_below_what_is_held_sell_nothing_and_open_the_alert(bench: TradingBench) -> None:
    bench.buy()
    lower = {"max_exposure": 600, "max_daily_loss": 50}
    done = at_the_bench(bench, action="limit_account", limits=lower)
    assert "nothing is sold, and nothing entered" in done["notes"][0]
    [alert] = bench.rows("SELECT kind, resolved_at FROM alerts")
    assert alert == {"kind": "over_cap", "resolved_at": None}
    at_the_bench(bench, action="limit_account", limits={"max_exposure": 10_000})
    assert bench.rows("SELECT 1 FROM alerts WHERE resolved_at IS NULL") == []
    assert bench.position()["status"] == "open"


def test_an_account_that_is_switched_on_unbound_is_said_to_do_nothing(runtime: Runtime) -> None:
    asked("switch_account", "tiny", on=False)
    [note] = asked("switch_account", "tiny", on=True)["notes"]
    assert note.startswith("it does nothing yet: tiny is not bound")


def test_a_stack_adds_no_account_whose_keys_it_may_not_read(runtime: Runtime, db: Database) -> None:
    with pytest.raises(InvalidInput, match="deployed with large, tiny, not with third"):
        asked("add_account", "third")
    assert len(rows(db, "SELECT 1 FROM accounts")) == 2


def test_the_control_login_adds_only_accounts_that_are_off_and_no_halts(
    runtime: Runtime, database_urls: DatabaseUrls
) -> None:
    sql = (
        "INSERT INTO accounts (account_name, execution_mode, active, allowed_actions,"
        " max_positions, max_exposure, max_daily_loss, fractional_shares) VALUES"
        " ('third', 'SIMULATED', {}, '{{}}', 1, 1, 1, false)"
    )
    control = Database(target_from_url(database_urls.control), application_name="tests")
    with closing(control):
        with pytest.raises(DatabaseError, match="a new account is switched off"):
            control.session().execute_simple(sql.format("true"))
        control.session().execute_simple(sql.format("false"))
        with pytest.raises(DatabaseError, match="permission denied"):
            control.session().execute_simple(
                "INSERT INTO accounts (account_name, kill_switch) VALUES ('x', 'y')"
            )


def test_an_unknown_broker_is_refused_by_the_function(runtime: Runtime) -> None:
    with pytest.raises(SettingsInvalid, match="no adapter is registered for the broker"):
        asked("add_account", "tiny", broker="nobody")
    with pytest.raises(InvalidInput, match="account: say which"):
        lambda_handler(
            {"action": "switch_account", "operator": "ann", "reason": "x", "on": True}, None
        )
