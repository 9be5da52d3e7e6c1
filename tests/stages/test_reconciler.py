"""Our books beside the broker's: a difference halts entries and says why."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db import facts
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import AccountMismatch, BrokerUnavailable, StageFailed
from tests.stages.reconciling import halt, reconcile
from tests.support.builders_trading import TradingBench


def test_books_that_agree_raise_nothing(bench: TradingBench) -> None:
    bench.buy()
    outcome = reconcile(bench)
    assert (outcome.accounts, outcome.positions_compared, outcome.differences) == (2, 1, 0)
    assert bench.alerts() == []
    assert halt(bench) is None


def test_a_quantity_that_differs_halts_entries_and_names_both_sides(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.hold("AAA", "12", "100.00")
    assert reconcile(bench).differences == 1
    assert bench.alerts() == ["position_quantity_differs"]
    assert halt(bench) == "AAA: we hold 19, the broker says 12"
    assert halt(bench, "tiny") is None

    number = bench.recommend("BBB")
    bench.dispatch()
    assert "Halted by books: AAA: we hold 19" in bench.recommendation(number)["failure_reason"]


def test_what_is_gone_is_believed_at_the_second_look_and_closed_without_a_price(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.broker.hold("AAA", "0", "100.00")
    first = reconcile(bench)
    assert (first.unsettled, bench.position()["status"]) == (1, "open")
    assert reconcile(bench).closed == 1
    assert bench.position()["status"] == "closed"
    (history,) = bench.rows("SELECT verified, exit_price, exit_reason FROM position_history")
    assert history == {"verified": False, "exit_price": None, "exit_reason": "missing_at_broker"}
    assert reconcile(bench).differences == 0
    assert (halt(bench), bench.alerts()) == (None, [])


def test_two_looks_within_a_minute_are_one(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.hold("AAA", "0", "100.00")
    reconcile(bench)
    bench.clock.advance(-30)
    assert reconcile(bench).closed == 0


def test_a_second_look_that_sees_something_else_starts_anew(bench: TradingBench) -> None:
    bench.buy()
    for quantity in ("12", "0", "12"):
        bench.broker.hold("AAA", quantity, "100.00")
        outcome = reconcile(bench)
        assert (outcome.repaired, outcome.closed) == (0, 0)
    assert bench.position()["quantity"] == 19


def test_what_is_gone_is_not_given_up_while_an_order_of_it_lives(bench: TradingBench) -> None:
    bench.buy()
    bench.guard()
    assert bench.order("stop")["status"] == "accepted"
    bench.broker.hold("AAA", "0", "100.00")
    for _ in range(3):
        reconcile(bench)
    assert bench.position()["status"] == "open"
    assert "position_missing" in bench.alerts()


def test_a_quantity_that_two_looks_agree_on_is_repaired(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.hold("AAA", "12", "100.00")
    reconcile(bench)
    assert reconcile(bench).repaired == 1
    assert bench.position()["quantity"] == 12
    assert halt(bench) is None


def test_a_position_nobody_opened_is_adopted_guarded_and_counted(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    outcome = reconcile(bench)
    assert (outcome.adopted, outcome.unsettled) == (1, 0)
    assert "position_unknown_to_us" in bench.alerts()
    position = bench.position("ZZZ")
    assert (position["lifecycle_state"], position["stop_loss"]) == ("adopted", Decimal("9.80"))
    with bench.db.transaction() as tx:
        assert facts.holdings(tx, "large").exposure == 50
    bench.quote("ZZZ", "9.70", "9.72")
    bench.guard()
    assert [row["reason"] for row in bench.orders("exit")] == ["stop_loss"]


def test_an_adopted_position_over_the_caps_alerts_and_halts_entries(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "5000", "10.00")
    reconcile(bench)
    assert "over_cap" in bench.alerts()
    assert str(halt(bench)).startswith("Over the caps: 1 symbols, $50000.00")
    assert bench.position("ZZZ")["quantity"] == 5000


def test_an_order_that_somebody_placed_is_followed_until_it_ends(bench: TradingBench) -> None:
    bench.broker.submit(OrderRequest("by hand", "YYY", "buy", Decimal(3), "limit", Decimal(10)))
    assert reconcile(bench).adopted == 1
    assert bench.order("adopted")["status"] == "accepted"
    assert "by hand may still fill" in str(halt(bench))
    bench.broker.fill("by hand", "10.00")
    bench.guard()
    assert (bench.position("YYY")["quantity"], bench.order("adopted")["status"]) == (3, "filled")
    reconcile(bench)
    assert halt(bench) is None


def test_what_somebody_sold_by_hand_closes_the_position_at_its_price(bench: TradingBench) -> None:
    bench.buy()
    bench.guard()
    bench.clock.advance(1)
    stop = bench.order("stop")["client_order_id"]
    bench.broker.end(stop, "canceled")
    bench.broker.submit(OrderRequest("mine", "AAA", "sell", Decimal(19), "limit", Decimal(101)))
    bench.broker.fill("mine", "101.00")
    assert reconcile(bench).adopted == 1
    (history,) = bench.rows("SELECT verified, pnl_dollars FROM position_history")
    assert history == {"verified": True, "pnl_dollars": 19}
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now() + timedelta(minutes=20)) == []


def test_a_short_is_never_adopted(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "-5", "10.00")
    assert (reconcile(bench).adopted, reconcile(bench).unsettled) == (0, 1)
    assert not bench.rows("SELECT 1 FROM active_positions")
    assert halt(bench) == "ZZZ: we hold 0, the broker says -5"


def test_an_order_of_the_other_account_is_a_strangers(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    (sent,) = bench.broker.submitted
    bench.brokers["tiny"].submit(sent)
    assert reconcile(bench).differences == 1
    assert bench.rows("SELECT scope, kind FROM alerts") == [
        {"scope": "tiny", "kind": "order_unknown_to_us"}
    ]


def test_entries_are_released_once_the_books_agree_again(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "-5", "10.00")
    reconcile(bench)
    assert halt(bench) is not None
    bench.broker.hold("ZZZ", "0", "10.00")
    reconcile(bench)
    assert halt(bench) is None
    assert bench.alerts() == []


def test_what_the_last_session_left_waiting_is_ended(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.clock.advance(400)
    assert reconcile(bench).expired == 1
    assert bench.recommendation(number)["status"] == "EXPIRED"


@pytest.mark.parametrize("error", [BrokerUnavailable("503"), AccountMismatch("another account")])
def test_an_account_that_cannot_be_read_fails_the_stage_and_changes_nothing(
    bench: TradingBench, error: BrokerUnavailable | AccountMismatch
) -> None:
    bench.buy()
    bench.brokers["tiny"].hold("ZZZ", "-5", "10.00")
    bench.broker.fail("positions", error)
    with pytest.raises(StageFailed, match=f"large: {type(error).__name__}"):
        reconcile(bench)
    assert halt(bench) is None
    assert bench.position()["status"] == "open"
    assert halt(bench, "tiny") is not None


def test_a_simulated_account_has_no_broker_to_compare_with(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    assert reconcile(bench).accounts == 1
    assert not bench.broker.calls


def test_one_share_less_at_the_same_price_is_no_split(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.hold("AAA", "18", "100.00")
    reconcile(bench)
    assert bench.alerts() == ["position_quantity_differs"]
    assert reconcile(bench).repaired == 1
    assert bench.rows("SELECT 1 FROM corporate_action_holds") == []
