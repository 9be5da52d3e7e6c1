"""An account without keys: a finding, no failure of each minute, unless it holds something."""

from collections.abc import Iterator

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.errors import AccountNotConfigured, SettingsInvalid, StageFailed
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.settings import not_configured
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import healthcheck, reconciler
from ops_pipeline.stages.account_binding import BindCommand
from ops_pipeline.stages.rebuilding import RebuildCommand
from ops_pipeline.stages.request import ReconcileRequest, TickRequest
from tests.support.builders_trading import TradingBench
from tests.support.handlers import handler_of

ANY_KEYS = {
    "ALPACA_TINY_KEY_ID": "k",
    "ALPACA_TINY_SECRET_KEY": "s",
    "ALPACA_TINY_ACCOUNT_NUMBER": "n",
}


@pytest.fixture
def runtime(bench: TradingBench, database_urls: DatabaseUrls) -> Iterator[Runtime]:
    """A process in which nobody set any keys."""
    made = Runtime(database_urls.variables(), bench.clock)
    wiring.use(made)
    yield made
    wiring.use(None)
    made.close()


def call(bench: TradingBench, stage: str, account: str = "large") -> dict[str, object]:
    return handler_of(stage)({"account": account, "tick": bench.tick.isoformat()}, None)


@pytest.mark.usefixtures("runtime")
def test_without_keys_a_minute_succeeds_and_says_so(bench: TradingBench) -> None:
    for stage in ("position_manager", "dispatcher"):
        assert call(bench, stage) == {"status": "run", "configured": False, "expired": 0}


@pytest.mark.usefixtures("runtime")
def test_what_nobody_can_carry_out_expires_in_time(bench: TradingBench) -> None:
    number = bench.recommend()
    for _ in range(6):
        bench.next_minute()
    assert call(bench, "dispatcher")["expired"] == 1
    assert bench.recommendation(number)["status"] == "EXPIRED"


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("stage", ["position_manager", "dispatcher"])
def test_what_is_held_without_keys_is_a_failure(bench: TradingBench, stage: str) -> None:
    bench.buy()
    bench.next_minute()
    with pytest.raises(SettingsInvalid, match=r"ALPACA_LARGE_KEY_ID.*nobody guards"):
        call(bench, stage)


def healthcheck_of(bench: TradingBench) -> healthcheck.Outcome:
    return healthcheck.run(
        TickRequest(tick=bench.tick), db=bench.db, calendar=NyseCalendar(), clock=bench.clock
    )


@pytest.mark.usefixtures("runtime")
def test_the_healthcheck_finds_it_once_and_owes_it_no_comparison(bench: TradingBench) -> None:
    for _ in range(16):
        bench.next_minute()
        call(bench, "position_manager")
        call(bench, "position_manager", "tiny")
    unwell = healthcheck_of(bench).unwell
    assert [it for it in unwell if "configured" in it] == [
        "account_not_configured large large",
        "account_not_configured tiny tiny",
    ]
    assert [it for it in unwell if "reconciler" in it] == []
    (found,) = bench.rows(
        "SELECT severity FROM alerts WHERE kind = 'account_not_configured'"
        " AND scope = 'tiny' AND resolved_at IS NULL"
    )
    assert found["severity"] == "warning"


def reconcile(bench: TradingBench, account: str | None = None) -> reconciler.Outcome:
    def gateway(name: str) -> OrderGateway:
        if name == "large":
            raise not_configured(name)
        return bench.gateway(name)

    return reconciler.run(
        ReconcileRequest(tick=bench.tick, account=account),
        db=bench.db,
        gateway=gateway,
        parameters=bench.parameters,
        clock=bench.clock,
        journal=bench.notes,
    )


def test_the_reconciler_of_all_compares_those_with_keys(bench: TradingBench) -> None:
    done = reconcile(bench)
    assert (done.accounts, done.not_configured) == (1, 1)
    assert reconcile(bench, "large").not_configured == 1


def test_the_reconciler_fails_where_something_is_held_without_keys(bench: TradingBench) -> None:
    bench.buy()
    with pytest.raises(StageFailed, match="large: AccountNotConfigured"):
        reconcile(bench)


@pytest.mark.parametrize(
    ("variables", "account"),
    [({}, "large"), (ANY_KEYS, "tiny"), ({**ANY_KEYS, "DATA_ACCOUNT": "large"}, "large")],
)
def test_market_data_takes_the_account_that_has_keys_or_is_chosen(
    bench: TradingBench, database_urls: DatabaseUrls, variables: dict[str, str], account: str
) -> None:
    made = Runtime({**database_urls.variables(), **variables}, bench.clock)
    assert made.data_account == account
    made.close()


def test_a_data_account_that_is_none_is_refused_by_name(
    bench: TradingBench, database_urls: DatabaseUrls
) -> None:
    made = Runtime({**database_urls.variables(), "DATA_ACCOUNT": "huge"}, bench.clock)
    with pytest.raises(SettingsInvalid, match=r"DATA_ACCOUNT .* known are large, tiny"):
        _ = made.data_account
    made.close()


def test_some_of_the_keys_are_an_error_and_not_an_account_without_keys(
    bench: TradingBench, database_urls: DatabaseUrls
) -> None:
    made = Runtime({**database_urls.variables(), "ALPACA_TINY_KEY_ID": "k"}, bench.clock)
    with pytest.raises(SettingsInvalid, match="ALPACA_TINY_SECRET_KEY is not set") as raised:
        made.broker_keys("tiny")
    assert not isinstance(raised.value, AccountNotConfigured)
    made.close()


def test_what_binds_or_rebuilds_all_leaves_an_account_without_keys_out(
    bench: TradingBench, database_urls: DatabaseUrls
) -> None:
    made = Runtime(database_urls.variables(), bench.clock)
    bind = BindCommand(operator="o", reason="r", account=None, number=None)
    rebuild = RebuildCommand(operator="o", reason="r", account=None)
    for rows in (made.binder.run(bind)["accounts"], made.rebuilder.run(rebuild)["accounts"]):
        assert [row["state"] for row in rows] == ["not configured", "not configured"]
    made.close()
