"""Orders whose outcome is unknown: looked up, settled, never sent a second time."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.errors import AccountMismatch, BrokerOutcomeUnknown, BrokerUnavailable
from tests.support.builders_trading import TradingBench

NO_ANSWER = BrokerOutcomeUnknown("no answer")


def lose_the_reply(bench: TradingBench, *, accepted: bool) -> str:
    """Send one entry whose reply is lost; its client_order_id."""
    bench.broker.fail("submit", NO_ANSWER, after_effect=accepted)
    bench.recommend()
    bench.dispatch()
    return str(bench.order()["client_order_id"])


def give_up(bench: TradingBench) -> None:
    """Two misses a minute apart, with a market that has run away meanwhile."""
    for _ in range(2):
        bench.next_minute(AAA=("109.98", "110.00"))
        bench.dispatch()


def test_a_reply_lost_after_acceptance_is_found_by_look_up_and_not_sent_again(
    bench: TradingBench,
) -> None:
    name = lose_the_reply(bench, accepted=True)
    assert bench.order()["status"] == "unknown"
    assert bench.order()["reserved_notional"] > 0
    bench.broker.fill(name, "100.00")

    bench.next_minute()
    outcome = bench.dispatch()

    assert (outcome.recovered, outcome.blocked) == (1, False)
    assert (bench.order()["status"], bench.position()["quantity"]) == ("filled", 19)
    assert len(bench.broker.submitted) == 1
    assert bench.rows("SELECT status FROM dispatch_recommendations") == [{"status": "EXECUTED"}]


def test_a_reply_lost_before_acceptance_is_given_up_after_two_misses_a_minute_apart(
    bench: TradingBench,
) -> None:
    lose_the_reply(bench, accepted=False)

    bench.clock.advance(30)
    assert bench.dispatch().blocked
    assert bench.order()["missed_at"] == bench.clock.now()
    bench.clock.advance(59)
    assert bench.dispatch().blocked
    assert bench.order()["status"] == "unknown"
    bench.clock.advance(1)
    assert not bench.dispatch().blocked

    assert (bench.order()["status"], bench.order()["reserved_notional"]) == ("not_placed", 0)
    (found,) = bench.rows("SELECT status, failure_reason FROM dispatch_recommendations")
    assert found == {"status": "FAILED", "failure_reason": "The broker never had it"}
    assert len(bench.broker.submitted) == 1


def test_an_order_the_look_up_misses_but_the_list_shows_is_not_given_up(
    bench: TradingBench,
) -> None:
    name = lose_the_reply(bench, accepted=True)
    bench.broker.unseen = {name}
    for _ in range(2):
        bench.next_minute()
        bench.dispatch()

    assert bench.order()["client_order_id"] == name
    assert bench.order()["status"] == "accepted"


def test_an_unknown_entry_blocks_the_accounts_entries(bench: TradingBench) -> None:
    lose_the_reply(bench, accepted=False)
    bench.next_minute()
    waiting = bench.recommend("BBB")
    bench.quote("BBB")
    outcome = bench.dispatch()
    assert (outcome.blocked, outcome.pulled) == (True, 0)
    assert bench.recommendation(waiting)["status"] == "PENDING"


def test_an_unknown_entry_leaves_the_other_account_free(bench: TradingBench) -> None:
    lose_the_reply(bench, accepted=False)
    bench.next_minute()
    bench.recommend(account="tiny")
    assert not bench.dispatch("tiny").blocked


def test_an_order_that_was_given_up_and_turns_up_filled_is_booked(bench: TradingBench) -> None:
    name = lose_the_reply(bench, accepted=True)
    hidden = dict(bench.broker.orders)
    bench.broker.orders.clear()
    give_up(bench)
    assert bench.order()["status"] == "not_placed"

    bench.broker.orders.update(hidden)
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()

    order = bench.order()
    assert (order["status"], order["reopened_at"]) == ("filled", bench.clock.now())
    assert bench.position()["quantity"] == 19
    (found,) = bench.rows("SELECT status, failure_reason FROM dispatch_recommendations")
    assert found == {"status": "EXECUTED", "failure_reason": None}


def test_what_was_committed_and_never_sent_is_sent_under_its_id_while_it_is_fresh(
    bench: TradingBench,
) -> None:
    """A kill between commit and send leaves an intent; two misses prove that it was not sent."""
    name = lose_the_reply(bench, accepted=False)
    bench.run("UPDATE orders SET status = 'intended'")
    bench.broker.at_once["AAA"] = ("100.00", None)
    for _ in range(2):
        bench.next_minute()
        bench.dispatch()
    assert bench.order()["status"] == "filled"
    assert [sent.client_order_id for sent in bench.broker.submitted] == [name, name]
    assert len(bench.broker.orders) == 1


@pytest.mark.parametrize(
    "changed", ["the market ran away", "halted", "too old", "no quote", "crossed quote"]
)
def test_an_entry_that_is_no_longer_wanted_is_not_sent_again(
    bench: TradingBench, changed: str
) -> None:
    lose_the_reply(bench, accepted=False)
    bench.next_minute()
    bench.dispatch()
    bench.next_minute()
    if changed == "the market ran away":
        bench.quote("AAA", "100.10", "100.11")
    elif changed == "halted":
        bench.set_account(operator_halt="a test")
    elif changed == "too old":
        bench.clock.advance(181)
        bench.quote("AAA")
    elif changed == "no quote":
        bench.market.latest.clear()
    else:
        bench.quote("AAA", "100.10", "100.00")
    bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    assert len(bench.broker.submitted) == 1


def one_more_than_allowed(bench: TradingBench) -> None:
    bench.set_account(max_positions=1)
    bench.broker.hold("ZZZ", "1", "10")


RESEND_REFUSED: dict[str, Callable[[TradingBench], object]] = {
    "guard_alive": lambda bench: bench.run("DELETE FROM pipeline_runs"),
    "closing_requested": lambda bench: bench.run(
        "INSERT INTO close_requests (id, account_name, ticker, rule, symbols, asked_at, asked_by,"
        " reason) VALUES (gen_random_uuid(), 'large', NULL, 'operator', '{AAA}', now(), 'a', 'x')"
    ),
    "corporate_action_pending": lambda bench: bench.run(
        "INSERT INTO corporate_action_holds (account_name, symbol, reason, since, seen_at)"
        " VALUES ('large', 'AAA', 'a split', now(), now())"
    ),
    "account_active": lambda bench: bench.set_account(active=False),
    "trading_state": lambda bench: bench.set_account(books_halt="a break"),
    "daily_loss": lambda bench: setattr(bench.broker, "last_equity", Decimal(200_000)),
    "vix_regime": lambda bench: bench.vix(55.0),
    "duplicate_position": lambda bench: bench.broker.hold("AAA", "5", "100"),
    "max_positions": one_more_than_allowed,
    "max_exposure": lambda bench: bench.broker.hold("ZZZ", "90", "100"),
    "buying_power": lambda bench: setattr(bench.broker, "cash", Decimal(100)),
    "feature_freshness": lambda bench: bench.run("DELETE FROM lane_features"),
    "broker_unknown": lambda bench: bench.broker.fail("account", BrokerUnavailable("503")),
}


@pytest.mark.parametrize("road", ["guard", "dispatcher"])
@pytest.mark.parametrize("gate", RESEND_REFUSED)
def test_an_entry_is_sent_again_only_where_every_gate_passes_now(
    bench: TradingBench, gate: str, road: str
) -> None:
    lose_the_reply(bench, accepted=False)
    bench.next_minute()
    bench.recover()
    bench.next_minute()
    RESEND_REFUSED[gate](bench)
    bench.guard() if road == "guard" else bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    assert len(bench.broker.submitted) == 1
    (note,) = bench.notes.of("order_not_sent_again")
    assert note["reasons"]


def test_an_order_that_arrives_while_its_gates_are_asked_is_settled_not_given_up(
    bench: TradingBench,
) -> None:
    name = lose_the_reply(bench, accepted=True)
    hidden = dict(bench.broker.orders)
    bench.broker.orders.clear()
    bench.next_minute()
    bench.recover()
    bench.next_minute()
    account = bench.broker.account

    def arrives() -> BrokerAccount:
        bench.broker.orders.update(hidden)
        return account()

    bench.broker.account = arrives  # type: ignore[method-assign]
    bench.recover()
    assert (bench.order()["client_order_id"], bench.order()["status"]) == (name, "accepted")
    assert len(bench.broker.submitted) == 1


def test_its_own_reservation_does_not_keep_an_entry_from_being_sent_again(
    bench: TradingBench,
) -> None:
    """Its symbol, its cost and its place among the day's entries are counted already."""
    bench.set_account(max_positions=1, max_exposure=2000)
    lose_the_reply(bench, accepted=False)
    for _ in range(2):
        bench.next_minute()
        bench.guard()
    assert bench.order()["status"] == "accepted"
    assert len(bench.broker.submitted) == 2


def test_where_look_ups_are_complete_one_miss_suffices(bench: TradingBench) -> None:
    lose_the_reply(bench, accepted=False)
    bench.read_after_write = True
    bench.broker.at_once["AAA"] = ("100.00", None)
    assert bench.recover().settled == 1
    assert (bench.order()["status"], bench.order()["missed_at"]) == ("filled", None)


def test_an_order_that_arrived_while_it_was_looked_for_is_looked_up_not_doubled(
    bench: TradingBench,
) -> None:
    name = lose_the_reply(bench, accepted=True)
    bench.read_after_write = True
    hidden = dict(bench.broker.orders)
    bench.broker.orders.clear()
    bench.broker.on_submit = lambda _: bench.broker.orders.update(hidden)
    assert bench.recover().settled == 1
    assert bench.order()["status"] == "accepted"
    assert list(bench.broker.orders) == [name]


@pytest.mark.parametrize("still_wanted", [True, False])
def test_a_stop_is_sent_again_only_while_its_position_wants_it(
    bench: TradingBench, still_wanted: bool
) -> None:
    bench.buy()
    bench.next_minute()
    bench.broker.fail("submit", NO_ANSWER)
    bench.guard()
    if not still_wanted:
        bench.run("UPDATE active_positions SET stop_loss = stop_loss + 1")
    bench.read_after_write = True
    assert bench.recover().settled == 1
    assert bench.order("stop")["status"] == ("accepted" if still_wanted else "not_placed")


@pytest.mark.parametrize("bid", ["99.98", "99.00"])
def test_an_exit_is_sent_again_only_where_its_limit_still_sells(
    bench: TradingBench, bid: str
) -> None:
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.fail("submit", NO_ANSWER)
    bench.guard()
    bench.quote("AAA", bid, "100.00")
    bench.read_after_write = True
    assert bench.recover().settled == 1
    assert bench.order("exit")["status"] == ("accepted" if bid == "99.98" else "not_placed")


def test_a_look_up_that_fails_proves_nothing(bench: TradingBench) -> None:
    lose_the_reply(bench, accepted=False)
    bench.broker.fail("order_by_client_id", BrokerUnavailable("503"), times=3)
    for _ in range(3):
        bench.next_minute()
        assert bench.dispatch().blocked
    assert bench.order()["missed_at"] is None
    assert bench.order()["status"] == "unknown"


def test_an_order_unknown_for_more_than_two_minutes_has_an_alert_until_it_is_settled(
    bench: TradingBench,
) -> None:
    name = lose_the_reply(bench, accepted=True)
    bench.broker.fail("order_by_client_id", BrokerUnavailable("503"), times=3)
    for _ in range(3):
        bench.next_minute()
        bench.dispatch()
    (alert,) = bench.rows("SELECT kind, subject FROM alerts WHERE resolved_at IS NULL")
    assert alert == {"kind": "order_outcome_unknown", "subject": name}

    bench.next_minute()
    bench.dispatch()
    assert bench.alerts() == []


def tamper(owner_db: Database, *statements: str) -> None:
    """Write what the triggers keep everybody else from writing."""
    with owner_db.transaction() as tx:
        for table in ("accounts", "orders"):
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            tx.execute(statement)
        for table in ("accounts", "orders"):
            tx.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_what_a_look_up_finds_must_agree_with_what_was_intended(
    bench: TradingBench, owner_db: Database
) -> None:
    name = lose_the_reply(bench, accepted=True)
    bench.broker.fill(name, "100.00")
    tamper(owner_db, "UPDATE orders SET quantity = 18")

    bench.next_minute()
    assert bench.dispatch().blocked

    assert bench.alerts() == ["order_disagrees"]
    assert bench.order()["status"] == "unknown"
    assert not bench.rows("SELECT 1 FROM active_positions")


def test_an_order_that_cannot_be_settled_keeps_no_other_unknown(
    bench: TradingBench, owner_db: Database
) -> None:
    lose_the_reply(bench, accepted=True)
    bench.quote("BBB")
    bench.run("UPDATE orders SET status = 'accepted', broker_order_id = 'set aside'")
    bench.broker.fail("submit", NO_ANSWER, after_effect=True)
    bench.recommend("BBB")
    bench.dispatch()
    tamper(owner_db, "UPDATE orders SET status = 'unknown', broker_order_id = NULL")
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE orders ADD CONSTRAINT orders_no_aaa"
            " CHECK (ticker <> 'AAA' OR status <> 'accepted')"
        )

    found = bench.recover()

    assert (found.settled, found.entries_blocked) == (1, True)
    assert [order["status"] for order in bench.orders()] == ["unknown", "accepted"]
    (note,) = bench.notes.of("order_not_looked_up")
    assert note["error"] == "ConstraintViolated"


def test_an_unknown_exit_blocks_its_position_alone(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.fail("submit", NO_ANSWER)
    bench.guard()
    assert bench.order("exit")["status"] == "unknown"

    bench.next_minute()
    bench.broker.at_once["BBB"] = ("100.00", None)
    bench.quote("BBB")
    bench.recommend("BBB")
    assert bench.dispatch().processed == 1
    outcome = bench.guard()
    assert (outcome.positions, outcome.marked, outcome.stops_placed) == (2, 1, 1)
    assert len(bench.orders("exit")) == 1


def test_keys_of_another_account_stop_the_recovery(bench: TradingBench) -> None:
    lose_the_reply(bench, accepted=True)
    bench.broker.fail("order_by_client_id", AccountMismatch("another account"))
    with pytest.raises(AccountMismatch):
        bench.recover()
    assert bench.order()["status"] == "unknown"


def test_a_simulated_intent_of_a_dead_run_is_closed_when_it_is_stale(
    bench: TradingBench, owner_db: Database
) -> None:
    lose_the_reply(bench, accepted=False)
    tamper(
        owner_db,
        "UPDATE accounts SET execution_mode = 'SIMULATED'",
        "UPDATE orders SET execution_mode = 'SIMULATED'",
    )
    bench.clock.advance(301)
    assert bench.recover().settled == 1
    assert bench.order()["status"] == "not_placed"
    assert bench.order()["reserved_notional"] == Decimal(0)
