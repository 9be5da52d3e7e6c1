"""From a recommendation to an order or a refusal, on real Postgres."""

from decimal import Decimal

import pytest

from ops_pipeline.db import operator
from ops_pipeline.db.connection import Database
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
)
from tests.builders_trading import DAY_AFTER, DAY_BEFORE, Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def test_an_entry_that_fills_at_once_becomes_order_execution_and_position(desk: Desk) -> None:
    number = desk.recommend()
    desk.broker.at_once["AAA"] = ("100.05", None)

    outcome = desk.dispatch()

    assert (outcome.pulled, outcome.processed) == (1, 1)
    order = desk.order()
    assert (order["status"], order["reserved_notional"], order["price"]) == (
        "filled",
        Decimal(0),
        Decimal("100.10"),
    )
    # Risk 1 % of $100,000 over a stop 2 % away would be 499; the share of a place is less.
    assert order["quantity"] == order["filled_qty"] == Decimal(19)
    (execution,) = desk.rows("SELECT * FROM dispatch_executions")
    position = desk.position()
    assert execution["notional"] == Decimal("1900.95")
    assert execution["execution_mode"] == "ALPACA_PAPER"
    assert (
        execution["dispatcher_run_id"]
        == desk.rows("SELECT run_id FROM dispatcher_runs")[0]["run_id"]
    )
    assert position["execution_id"] == execution["execution_id"]
    assert position["entry_price"] == Decimal("100.05")
    assert (position["stop_loss"], position["take_profit"]) == (
        Decimal("98.04"),
        Decimal("103.0515"),
    )
    assert desk.recommendation(number)["status"] == "EXECUTED"


def test_the_order_carries_what_identifies_the_decision(desk: Desk) -> None:
    desk.recommend()
    desk.dispatch()
    assert desk.order()["client_order_id"] == "test-large-AAA-20260204T1600-entry-1"
    (sent,) = desk.broker.submitted
    assert (sent.side, sent.order_type, sent.time_in_force) == ("buy", "limit", "day")


def test_the_intent_is_committed_before_the_broker_hears_of_it(
    desk: Desk, owner_db: Database
) -> None:
    desk.recommend()
    seen: list[str] = []

    def look(_: OrderRequest) -> None:
        with owner_db.transaction() as tx:
            seen.extend(row["status"] for row in tx.rows("SELECT status FROM orders"))

    desk.broker.on_submit = look
    desk.dispatch()
    assert seen == ["intended"]


def test_a_partly_filled_entry_keeps_the_rest_reserved_and_grows(desk: Desk) -> None:
    number = desk.recommend()
    desk.broker.at_once["AAA"] = ("100.00", "5")
    desk.dispatch()

    order = desk.order()
    assert (order["status"], order["filled_qty"]) == ("partially_filled", Decimal(5))
    assert order["reserved_notional"] == 14 * Decimal("100.10")
    assert desk.position()["quantity"] == 5
    assert desk.recommendation(number)["status"] == "PROCESSING"

    desk.broker.fill(order["client_order_id"], "100.10")
    desk.guard()

    position = desk.position()
    assert desk.order()["status"] == "filled"
    assert position["quantity"] == position["opened_quantity"] == 19
    assert position["entry_price"] * 19 == 5 * Decimal(100) + 14 * Decimal("100.10")
    assert desk.recommendation(number)["status"] == "EXECUTED"
    (execution,) = desk.rows("SELECT qty, notional FROM dispatch_executions")
    assert (execution["qty"], execution["notional"]) == (19, Decimal("1901.40"))


def test_an_entry_the_market_ran_away_from_is_cancelled_and_released(desk: Desk) -> None:
    number = desk.recommend()
    desk.dispatch()
    desk.next_minute()

    assert desk.guard().cancels_asked == 1

    order = desk.order()
    assert (order["status"], order["reserved_notional"]) == ("canceled", 0)
    assert desk.recommendation(number)["status"] == "PROCESSING"
    assert not desk.rows("SELECT 1 FROM active_positions")


def test_an_overtaken_entry_is_priced_anew_by_a_new_intent_while_it_is_fresh(desk: Desk) -> None:
    number = desk.recommend()
    desk.dispatch()
    desk.next_minute()
    desk.guard()
    desk.next_minute(AAA=("100.48", "100.50"))
    desk.broker.at_once["AAA"] = ("100.50", None)

    assert desk.dispatch().processed == 1

    assert [(row["attempt"], row["status"]) for row in desk.orders()] == [
        (1, "canceled"),
        (2, "filled"),
    ]
    assert desk.orders()[1]["price"] > desk.orders()[0]["price"]
    assert desk.recommendation(number)["status"] == "EXECUTED"


def test_an_overtaken_entry_ends_with_its_time(desk: Desk) -> None:
    number = desk.recommend()
    for _ in range(7):
        desk.dispatch()
        desk.guard()
        desk.next_minute()
    found = desk.recommendation(number)
    assert (found["status"], found["failure_reason"]) == (
        "CANCELLED",
        "Nothing filled at the limit within its time",
    )
    assert {row["status"] for row in desk.orders()} == {"canceled"}
    assert [row["attempt"] for row in desk.orders()] == [1, 2, 3]


def test_an_entry_that_the_operator_cancelled_is_not_priced_anew(desk: Desk) -> None:
    number = desk.recommend()
    desk.dispatch()
    with desk.db.transaction() as tx:
        operator.cancel_entries(
            tx, account=None, ticker=None, reason="a test", now=desk.clock.now()
        )
    for _ in range(7):
        desk.guard()
        desk.next_minute()
        desk.dispatch()
    assert desk.order()["status"] == "canceled"
    assert desk.recommendation(number)["status"] == "CANCELLED"


def test_an_entry_that_was_filled_in_part_is_not_pursued(desk: Desk) -> None:
    number = desk.recommend()
    desk.broker.at_once["AAA"] = ("100.00", "5")
    desk.dispatch()
    for _ in range(3):
        desk.next_minute()
        desk.dispatch()
        desk.guard()
    assert desk.order()["status"] == "canceled"
    assert desk.recommendation(number)["status"] == "EXECUTED"
    assert desk.order("stop")["quantity"] == 5


def test_a_rejected_entry_fails_in_the_brokers_words_and_frees_its_room(desk: Desk) -> None:
    desk.broker.fail("submit", BrokerRejected("40310000: asset is not tradable"))
    number = desk.recommend()

    assert desk.dispatch().failed == 1

    order = desk.order()
    assert (order["status"], order["reserved_notional"]) == ("rejected", 0)
    found = desk.recommendation(number)
    assert (found["status"], found["failure_reason"]) == (
        "FAILED",
        "40310000: asset is not tradable",
    )
    assert not desk.rows("SELECT 1 FROM dispatch_executions")


def test_a_request_that_was_surely_not_taken_ends_as_not_placed(desk: Desk) -> None:
    desk.broker.fail("submit", BrokerUnavailable("429: too many requests"))
    number = desk.recommend()
    desk.dispatch()
    assert desk.order()["status"] == "not_placed"
    assert desk.recommendation(number)["status"] == "FAILED"


def test_a_simulated_account_fills_at_the_ask_and_says_so(desk: Desk) -> None:
    desk.set_account(execution_mode="SIMULATED")
    number = desk.recommend()

    assert desk.dispatch().simulated == 1

    (fill,) = desk.rows("SELECT * FROM fills")
    (execution,) = desk.rows("SELECT * FROM dispatch_executions")
    assert (fill["price"], fill["evidence"]) == (Decimal("100.00"), "simulated")
    assert execution["execution_mode"] == "SIMULATED"
    assert execution["simulated_ts"] == desk.clock.now()
    assert desk.recommendation(number)["status"] == "SIMULATED"
    assert not desk.broker.calls


def test_an_order_in_flight_counts_as_a_place_and_as_cost(desk: Desk) -> None:
    desk.set_account(max_positions=2, max_exposure=4000)
    desk.quote("BBB")
    desk.quote("CCC")
    first, second, third = (desk.recommend(ticker) for ticker in ("AAA", "BBB", "CCC"))

    desk.dispatch()

    assert len(desk.broker.orders) == 2
    assert desk.verdict(second, "max_exposure")["observed"] == pytest.approx(2 * 19 * 100.1)
    assert desk.verdict(first, "max_positions")["reason"] == "Positions 0/2"
    assert desk.verdict(third, "max_positions") == {
        "passed": False,
        "reason": "At position limit: 2/2",
        "observed": 2,
        "limit": 2,
    }
    assert desk.recommendation(third)["status"] == "SKIPPED"


def test_the_buying_power_is_read_again_after_each_order(desk: Desk) -> None:
    desk.broker.cash = desk.broker.last_equity = Decimal(3000)
    desk.set_account(max_exposure=10000)
    desk.quote("BBB")
    desk.recommend()
    second = desk.recommend("BBB")

    desk.dispatch()

    room = 3000 - desk.orders()[0]["reserved_notional"]
    assert desk.verdict(second, "buying_power")["limit"] == pytest.approx(float(room))
    assert len(desk.broker.submitted) == 2
    assert sum(order["reserved_notional"] for order in desk.orders()) <= 3000


def test_the_second_entry_in_a_ticker_waits_out_the_cooldown(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    desk.guard()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.broker.at_once["AAA"] = ("99.90", None)
    desk.guard()
    assert desk.position()["status"] == "closed"
    desk.next_minute()
    desk.guard()

    early = desk.recommend()
    desk.dispatch()
    assert desk.verdict(early, "cooldown")["passed"] is False
    assert desk.recommendation(early)["status"] == "SKIPPED"

    for _ in range(15):
        desk.next_minute()
    late = desk.recommend()
    desk.dispatch()
    assert desk.verdict(late, "cooldown")["passed"] is True


def test_what_nobody_took_in_five_minutes_expires(desk: Desk) -> None:
    number = desk.recommend()
    desk.clock.advance(301)
    outcome = desk.dispatch()
    assert (outcome.expired, outcome.pulled) == (1, 0)
    assert desk.recommendation(number)["status"] == "EXPIRED"


def test_what_is_just_five_minutes_old_is_still_served(desk: Desk) -> None:
    number = desk.recommend()
    desk.clock.advance(300)
    desk.quote("AAA")
    desk.dispatch()
    assert desk.verdict(number, "recommendation_freshness")["passed"] is True


def test_a_claim_of_a_run_that_died_is_taken_up_again(desk: Desk) -> None:
    number = desk.recommend()
    desk.run(
        "UPDATE dispatch_recommendations SET status = 'PROCESSING', claimed_until = :until",
        until=desk.clock.now(),
    )
    assert desk.dispatch().pulled == 1
    assert desk.recommendation(number)["status"] == "PROCESSING"
    assert desk.order()["recommendation_id"] == number


def test_a_recommendation_that_has_an_order_is_never_claimed_again(desk: Desk) -> None:
    desk.recommend()
    desk.dispatch()
    desk.run("UPDATE dispatch_recommendations SET claimed_until = :now", now=desk.clock.now())
    desk.clock.advance(1)
    assert desk.dispatch().pulled == 0
    assert len(desk.broker.submitted) == 1


def test_a_refusal_keeps_every_gates_answer(desk: Desk) -> None:
    number = desk.recommend(confidence=0.2)
    desk.dispatch()
    found = desk.recommendation(number)
    assert found["status"] == "SKIPPED"
    assert found["failure_reason"] == "Confidence 0.20 < 0.45"
    gates = found["risk_gate_json"]
    assert {"max_positions", "daily_loss", "vix_regime", "spread"} - set(gates) == {"spread"}
    assert gates["size"]["quantity"] == 19.0
    assert gates["max_positions"] == {
        "passed": True,
        "reason": "Positions 0/5",
        "observed": 0,
        "limit": 5,
    }


def test_a_broker_that_does_not_show_its_books_stops_entries_not_the_run(desk: Desk) -> None:
    desk.broker.fail("account", BrokerUnavailable("503"))
    number = desk.recommend()
    desk.dispatch()
    found = desk.recommendation(number)
    assert found["status"] == "SKIPPED"
    assert "Daily loss unknown: refused" in found["failure_reason"]
    assert "Buying power unknown: refused" in found["failure_reason"]
    assert not desk.broker.submitted


@pytest.mark.parametrize("missing", ["quotes", "vix", "bars", "features"])
def test_a_fact_that_is_missing_refuses_the_entry(desk: Desk, missing: str) -> None:
    number = desk.recommend()
    match missing:
        case "quotes":
            desk.market.down = True
        case "vix":
            desk.vix(18.0, DAY_AFTER)
            desk.run("UPDATE vix_history SET day = '2026-01-30' WHERE day = :d", d=DAY_BEFORE)
        case "bars":
            desk.run("UPDATE lane_telemetry SET ts = ts - interval '3 minutes'")
        case "features":
            desk.run(
                "UPDATE lane_features SET ts = ts - interval '301 s',"
                " computed_at = computed_at - interval '301 s'"
            )
    desk.dispatch()
    assert desk.recommendation(number)["status"] == "SKIPPED"
    assert not desk.broker.submitted


def test_an_elevated_vix_halves_the_size(desk: Desk) -> None:
    desk.vix(30.0)
    desk.recommend()
    desk.dispatch()
    assert desk.order()["quantity"] == 9


def test_a_loss_over_the_limit_latches_the_kill_switch(desk: Desk) -> None:
    desk.broker.last_equity = Decimal(100_512)
    number = desk.recommend()
    desk.dispatch()

    assert (
        "KILL SWITCH: Daily loss $512 exceeds limit $500"
        in (desk.recommendation(number)["failure_reason"])
    )
    # The loss is made good, the switch stays: it latches for the session.
    desk.broker.last_equity = Decimal(100_000)
    desk.next_minute()
    again = desk.recommend()
    desk.dispatch()
    assert (
        "Halted by kill switch: KILL SWITCH: Daily loss $512"
        in (desk.recommendation(again)["failure_reason"])
    )


def test_the_first_entry_of_the_next_session_passes_the_kill_switch(desk: Desk) -> None:
    desk.set_account(kill_switch="Daily loss $512", kill_switch_day="2026-02-04")
    desk.clock.at = new_york_time(DAY_AFTER, 11)
    desk.vix(18.0, desk.rows("SELECT DATE '2026-02-04' AS day")[0]["day"])
    desk.quote("AAA")
    number = desk.recommend()
    desk.dispatch()
    assert desk.verdict(number, "trading_state")["passed"] is True
    assert desk.order()["recommendation_id"] == number
    (account,) = desk.rows("SELECT kill_switch FROM accounts WHERE account_name = 'large'")
    assert account["kill_switch"] is None


def test_a_halt_by_the_operator_stops_the_run_between_two_entries(
    desk: Desk, owner_db: Database
) -> None:
    desk.quote("BBB")
    desk.recommend()
    second = desk.recommend("BBB")

    def halt(_: OrderRequest) -> None:
        with owner_db.transaction() as tx:
            tx.execute("UPDATE accounts SET operator_halt = 'lunch'")

    desk.broker.on_submit = halt
    desk.dispatch()
    assert desk.recommendation(second)["failure_reason"] == "Halted by operator: lunch"


def test_a_sell_is_handed_to_the_position_manager(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    number = desk.recommend(action="SELL")

    outcome = desk.dispatch()

    assert outcome.processed == 1
    assert desk.position()["exit_requested"] == "signal"
    assert desk.recommendation(number)["status"] == "EXECUTED"
    assert not [order for order in desk.broker.submitted if order.side == "sell"]
    desk.guard()
    assert desk.order("exit")["reason"] == "signal"


def test_a_sell_of_what_is_not_held_is_refused_and_counted_so(desk: Desk) -> None:
    number = desk.recommend(action="SELL")
    outcome = desk.dispatch()
    assert (outcome.skipped, outcome.processed) == (1, 0)
    assert desk.recommendation(number)["failure_reason"] == "AAA is not held"


def test_halted_entries_do_not_stop_a_sell(desk: Desk) -> None:
    desk.buy()
    desk.set_account(operator_halt="lunch")
    number = desk.recommend(action="SELL")
    desk.dispatch()
    assert desk.recommendation(number)["status"] == "EXECUTED"


def test_an_unknown_outcome_stops_further_entries_of_the_run(desk: Desk) -> None:
    desk.quote("BBB")
    desk.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    desk.recommend()
    second = desk.recommend("BBB")
    assert desk.dispatch().processed == 1
    assert desk.order()["status"] == "unknown"
    assert desk.recommendation(second)["status"] == "PENDING"


def test_a_dry_run_decides_all_sends_nothing_and_keeps_nothing(desk: Desk) -> None:
    desk.quote("BBB")
    number = desk.recommend()
    desk.recommend("BBB", confidence=0.1)
    outcome = desk.dispatch(dry_run=True)
    assert (outcome.pulled, outcome.processed, outcome.skipped) == (2, 1, 1)
    assert desk.recommendation(number)["status"] == "PENDING"
    assert not desk.broker.submitted
    assert not desk.orders()
    assert not desk.rows("SELECT 1 FROM dispatcher_runs")


def test_keys_of_another_account_stop_the_run(desk: Desk) -> None:
    desk.broker.fail("account", AccountMismatch("another account"))
    number = desk.recommend()
    with pytest.raises(AccountMismatch):
        desk.dispatch()
    assert desk.recommendation(number)["status"] == "PENDING"
    assert not desk.broker.submitted


def test_each_run_leaves_its_counts(desk: Desk) -> None:
    desk.recommend()
    desk.recommend("ZZZ")
    desk.dispatch()
    (run,) = desk.rows("SELECT * FROM dispatcher_runs")
    assert (run["pulled_count"], run["processed_count"], run["skipped_count"]) == (2, 1, 1)
    assert run["finished_at"] == desk.clock.now()
