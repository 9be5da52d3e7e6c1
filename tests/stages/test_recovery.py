"""Orders whose outcome is unknown: looked up, settled, never sent a second time."""

from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import AccountMismatch, BrokerOutcomeUnknown, BrokerUnavailable
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


def give_up(desk: Desk) -> None:
    """Two misses a minute apart, with a market that has run away meanwhile."""
    for _ in range(2):
        desk.next_minute(AAA=("109.98", "110.00"))
        desk.dispatch()


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
    give_up(desk)
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


def test_what_was_committed_and_never_sent_is_sent_under_its_id_while_it_is_fresh(
    desk: Desk,
) -> None:
    """A kill between commit and send leaves an intent; two misses prove that it was not sent."""
    name = lose_the_reply(desk, accepted=False)
    desk.run("UPDATE orders SET status = 'intended'")
    desk.broker.at_once["AAA"] = ("100.00", None)
    for _ in range(2):
        desk.next_minute()
        desk.dispatch()
    assert desk.order()["status"] == "filled"
    assert [sent.client_order_id for sent in desk.broker.submitted] == [name, name]
    assert len(desk.broker.orders) == 1


@pytest.mark.parametrize(
    "spoilt", ["the market ran away", "halted", "too old", "no quote", "crossed quote"]
)
def test_an_entry_that_is_no_longer_wanted_is_not_sent_again(desk: Desk, spoilt: str) -> None:
    lose_the_reply(desk, accepted=False)
    desk.next_minute()
    desk.dispatch()
    desk.next_minute()
    if spoilt == "the market ran away":
        desk.quote("AAA", "100.10", "100.11")
    elif spoilt == "halted":
        desk.set_account(operator_halt="a test")
    elif spoilt == "too old":
        desk.clock.advance(181)
        desk.quote("AAA")
    elif spoilt == "no quote":
        desk.market.latest.clear()
    else:
        desk.quote("AAA", "100.10", "100.00")
    desk.dispatch()
    assert desk.order()["status"] == "not_placed"
    assert len(desk.broker.submitted) == 1


def test_where_look_ups_are_complete_one_miss_suffices(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.lists_at_once = True
    desk.broker.at_once["AAA"] = ("100.00", None)
    assert desk.recover().settled == 1
    assert (desk.order()["status"], desk.order()["missed_at"]) == ("filled", None)


def test_an_order_that_arrived_while_it_was_looked_for_is_looked_up_not_doubled(
    desk: Desk,
) -> None:
    name = lose_the_reply(desk, accepted=True)
    desk.lists_at_once = True
    hidden = dict(desk.broker.orders)
    desk.broker.orders.clear()
    desk.broker.on_submit = lambda _: desk.broker.orders.update(hidden)
    assert desk.recover().settled == 1
    assert desk.order()["status"] == "accepted"
    assert list(desk.broker.orders) == [name]


@pytest.mark.parametrize("still_wanted", [True, False])
def test_a_stop_is_sent_again_only_while_its_position_wants_it(
    desk: Desk, still_wanted: bool
) -> None:
    desk.buy()
    desk.next_minute()
    desk.broker.fail("submit", NO_ANSWER)
    desk.guard()
    if not still_wanted:
        desk.run("UPDATE active_positions SET stop_loss = stop_loss + 1")
    desk.lists_at_once = True
    assert desk.recover().settled == 1
    assert desk.order("stop")["status"] == ("accepted" if still_wanted else "not_placed")


@pytest.mark.parametrize("bid", ["99.98", "99.00"])
def test_an_exit_is_sent_again_only_where_its_limit_still_sells(desk: Desk, bid: str) -> None:
    desk.buy()
    desk.next_minute()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.broker.fail("submit", NO_ANSWER)
    desk.guard()
    desk.quote("AAA", bid, "100.00")
    desk.lists_at_once = True
    assert desk.recover().settled == 1
    assert desk.order("exit")["status"] == ("accepted" if bid == "99.98" else "not_placed")


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

    found = desk.recover()

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
        desk.recover()
    assert desk.order()["status"] == "unknown"


def test_a_simulated_intent_of_a_dead_run_is_closed_when_it_is_stale(desk: Desk) -> None:
    lose_the_reply(desk, accepted=False)
    desk.set_account(execution_mode="SIMULATED")
    desk.clock.advance(301)
    assert desk.recover().settled == 1
    assert desk.order()["status"] == "not_placed"
    assert desk.order()["reserved_notional"] == Decimal(0)
