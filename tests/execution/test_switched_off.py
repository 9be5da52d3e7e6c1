"""An account with `active = false` enters nothing on any road, and its positions are guarded."""

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import BrokerOutcomeUnknown
from tests.support.builders_trading import TradingBench

OFF = "Account switched off: active is false"


def test_switching_off_stops_the_run_between_two_entries(
    bench: TradingBench, owner_db: Database
) -> None:
    bench.quote("BBB")
    bench.recommend()
    second = bench.recommend("BBB")

    def switch_off(_: OrderRequest) -> None:
        with owner_db.transaction() as tx:
            tx.execute("UPDATE accounts SET active = false WHERE account_name = 'large'")

    bench.broker.on_submit = switch_off
    bench.dispatch()
    assert bench.recommendation(second)["failure_reason"] == OFF
    assert [sent.symbol for sent in bench.broker.submitted] == ["AAA"]


def test_a_dispatcher_invoked_directly_enters_nothing(bench: TradingBench) -> None:
    bench.set_account(active=False)
    number = bench.recommend()
    bench.dispatch()
    assert bench.recommendation(number)["failure_reason"] == OFF
    assert bench.verdict(number, "account_active")["passed"] is False
    assert not bench.orders()


def test_the_other_account_enters(bench: TradingBench) -> None:
    bench.set_account("tiny", active=False)
    bench.recommend()
    bench.dispatch()
    assert bench.order()["account_name"] == "large"


@pytest.mark.parametrize("road", ["guard", "dispatcher"])
def test_an_entry_that_was_never_placed_is_not_sent_again(bench: TradingBench, road: str) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"))
    bench.recommend()
    bench.dispatch()
    bench.set_account(active=False)
    for _ in range(2):
        bench.next_minute()
        bench.guard() if road == "guard" else bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    assert len(bench.broker.submitted) == 1


def test_a_simulated_account_enters_nothing_either(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED", active=False)
    number = bench.recommend()
    bench.dispatch()
    assert bench.recommendation(number)["failure_reason"] == OFF
    assert not bench.orders()


def test_what_it_holds_is_still_sold_by_a_signal(bench: TradingBench) -> None:
    bench.buy()
    bench.set_account(active=False)
    number = bench.recommend(action="SELL")
    bench.dispatch()
    bench.next_minute()
    bench.guard()
    assert bench.recommendation(number)["status"] == "EXECUTED"
    assert bench.position()["exit_requested"] == "signal"
    assert bench.orders("exit")
