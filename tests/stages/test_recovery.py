"""Orders whose outcome is unknown: looked up, settled, never sent a second time."""

from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import AccountMismatch, BrokerOutcomeUnknown, BrokerUnavailable
from ops_pipeline.stages.recovery import recover
from tests.builders_trading import Desk

NO_ANSWER = BrokerOutcomeUnknown("no answer")


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def lose_the_reply(desk: Desk, *, accepted: bool) -> str:
    """Send one entry whose reply is lost; its client_order_id."""
    desk.broker.fail("submit", NO_ANSWER, after_effect=accepted)
    desk.recommend()
    desk.dispatch()
    return str(desk.order()["client_order_id"])


def test_a_reply_lost_after_acceptance_is_found_by_look_up_and_not_sent_again(desk: Desk) -> None:
    name = lose_the_reply(desk, accepted=True)
    assert desk.order()["status"] == "unknown"
    assert desk.order()["reserved_notional"] > 0
    desk.broker.fill(name, "100.00")

    desk.next_minute()
    outcome = desk.dispatch()

    assert (outcome.recovered, outcome.blocked) == (1, False)
    assert (desk.order()["status"], desk.position()["quantity"]) == ("filled", 19)
    assert len(desk.broker.submitted) == 1
    assert desk.rows("SELECT status FROM dispatch_recommendations") == [{"status": "EXECUTED"}]


def test_a_reply_lost_before_acceptance_is_given_up_after_two_misses_a_minute_apart(
    desk: Desk,
) -> None:
    lose_the_reply(desk, accepted=False)

    desk.clock.advance(30)
    assert desk.dispatch().blocked
    assert desk.order()["missed_at"] == desk.clock.now()
    desk.clock.advance(59)
    assert desk.dispatch().blocked
    assert desk.order()["status"] == "unknown"
    desk.clock.advance(1)
    assert not desk.dispatch().blocked

    assert (desk.order()["status"], desk.order()["reserved_notional"]) == ("not_placed", 0)
    (found,) = desk.rows("SELECT status, failure_reason FROM dispatch_recommendations")
    assert found == {"status": "FAILED", "failure_reason": "The broker never had it"}
    assert len(desk.broker.submitted) == 1


def test_an_order_the_look_up_misses_but_the_list_shows_is_not_given_up(desk: Desk) -> None:
    name = lose_the_reply(desk, accepted=True)
    desk.broker.unseen = {name}
    for _ in range(2):
        desk.next_minute()
        desk.dispatch()

    assert desk.order()["client_order_id"] == name
    assert desk.order()["status"] == "accepted"


def test_an_unknown_entry_blocks_the_accounts_entries(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.next_minute()
    waiting = desk.recommend("BBB")
    desk.quote("BBB")
    outcome = desk.dispatch()
    assert (outcome.blocked, outcome.pulled) == (True, 0)
    assert desk.recommendation(waiting)["status"] == "PENDING"


def test_an_unknown_entry_leaves_the_other_account_free(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.next_minute()
    desk.recommend(account="tiny")
    assert not desk.dispatch("tiny").blocked


def test_an_order_that_was_given_up_and_turns_up_filled_is_booked(desk: Desk) -> None:
    name = lose_the_reply(desk, accepted=True)
    hidden = dict(desk.broker.orders)
    desk.broker.orders.clear()
    for _ in range(2):
        desk.next_minute()
        desk.dispatch()
    assert desk.order()["status"] == "not_placed"

    desk.broker.orders.update(hidden)
    desk.broker.fill(name, "100.00")
    desk.next_minute()
    desk.guard()

    order = desk.order()
    assert (order["status"], order["reopened_at"]) == ("filled", desk.clock.now())
    assert desk.position()["quantity"] == 19
    (found,) = desk.rows("SELECT status, failure_reason FROM dispatch_recommendations")
    assert found == {"status": "EXECUTED", "failure_reason": None}


def test_what_was_committed_and_never_sent_is_closed_unsent(desk: Desk) -> None:
    """A kill between commit and send leaves an intent; nobody sends it a minute late."""
    lose_the_reply(desk, accepted=False)
    desk.run("UPDATE orders SET status = 'intended'")
    for _ in range(2):
        desk.next_minute()
        desk.dispatch()
    assert desk.order()["status"] == "not_placed"
    assert len(desk.broker.submitted) == 1


def test_a_look_up_that_fails_proves_nothing(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.broker.fail("order_by_client_id", BrokerUnavailable("503"), times=3)
    for _ in range(3):
        desk.next_minute()
        assert desk.dispatch().blocked
    assert desk.order()["missed_at"] is None
    assert desk.order()["status"] == "unknown"


def test_an_order_unknown_for_more_than_two_minutes_has_an_alert_until_it_is_settled(
    desk: Desk,
) -> None:
    name = lose_the_reply(desk, accepted=True)
    desk.broker.fail("order_by_client_id", BrokerUnavailable("503"), times=3)
    for _ in range(3):
        desk.next_minute()
        desk.dispatch()
    (alert,) = desk.rows("SELECT kind, subject FROM alerts WHERE resolved_at IS NULL")
    assert alert == {"kind": "order_outcome_unknown", "subject": name}

    desk.next_minute()
    desk.dispatch()
    assert desk.alerts() == []


def test_what_a_look_up_finds_must_agree_with_what_was_intended(desk: Desk) -> None:
    name = lose_the_reply(desk, accepted=True)
    desk.broker.fill(name, "100.00")
    desk.run("UPDATE orders SET quantity = 18")

    desk.next_minute()
    assert desk.dispatch().blocked

    assert desk.alerts() == ["order_disagrees"]
    assert desk.order()["status"] == "unknown"
    assert not desk.rows("SELECT 1 FROM active_positions")


def test_an_order_that_cannot_be_settled_keeps_no_other_unknown(
    desk: Desk, owner_db: Database
) -> None:
    lose_the_reply(desk, accepted=True)
    desk.quote("BBB")
    desk.run("UPDATE orders SET status = 'accepted', broker_order_id = 'set aside'")
    desk.broker.fail("submit", NO_ANSWER, after_effect=True)
    desk.recommend("BBB")
    desk.dispatch()
    desk.run("UPDATE orders SET status = 'unknown'")
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE orders ADD CONSTRAINT orders_no_aaa"
            " CHECK (ticker <> 'AAA' OR status <> 'accepted')"
        )

    found = recover(desk.road())

    assert (found.settled, found.entries_blocked) == (1, True)
    assert [order["status"] for order in desk.orders()] == ["unknown", "accepted"]
    (note,) = desk.notes.of("order_not_looked_up")
    assert note["error"] == "ConstraintViolated"


def test_an_unknown_exit_blocks_its_position_alone(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.broker.fail("submit", NO_ANSWER)
    desk.guard()
    assert desk.order("exit")["status"] == "unknown"

    desk.next_minute()
    desk.broker.at_once["BBB"] = ("100.00", None)
    desk.quote("BBB")
    desk.recommend("BBB")
    assert desk.dispatch().processed == 1
    outcome = desk.guard()
    assert (outcome.positions, outcome.marked, outcome.stops_placed) == (2, 1, 1)
    assert len(desk.orders("exit")) == 1


def test_keys_of_another_account_stop_the_recovery(desk: Desk) -> None:
    lose_the_reply(desk, accepted=True)
    desk.broker.fail("order_by_client_id", AccountMismatch("another account"))
    with pytest.raises(AccountMismatch):
        recover(desk.road())
    assert desk.order()["status"] == "unknown"


def test_a_simulated_intent_of_a_dead_run_is_closed(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.set_account(execution_mode="SIMULATED")
    assert recover(desk.road()).settled == 1
    assert desk.order()["status"] == "not_placed"
    assert desk.order()["reserved_notional"] == Decimal(0)
