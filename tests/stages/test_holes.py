"""Holes found by reading the order road as an adversary, each with the guard that closed it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db import invariants
from ops_pipeline.db.connection import Database, Transaction
from ops_pipeline.errors import BrokerOutcomeUnknown, StageFailed
from ops_pipeline.stages import control, dispatcher, reconciler
from ops_pipeline.stages.control import Wish
from ops_pipeline.stages.request import AccountRequest, TickRequest
from tests.builders_trading import Desk

CLAIM = """
UPDATE dispatch_recommendations SET status = 'PROCESSING', claimed_until = :until WHERE id = :id
"""


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


@pytest.fixture
def held(desk: Desk) -> Desk:
    """A desk that holds 19 AAA at $100 with its stop resting at $98."""
    desk.buy()
    desk.next_minute()
    desk.guard()
    return desk


def close_everything(desk: Desk) -> None:
    asked = Wish(action="close", operator="ann", reason="news")
    control.run(asked, db=desk.db, clock=desk.clock)


def breaches(desk: Desk) -> list[str]:
    with desk.db.transaction() as tx:
        return [str(it) for it in invariants.check(tx, now=desk.clock.now())]


class Interrupted:
    """A database before each of whose units of work something may happen elsewhere."""

    def __init__(self, db: Database, before: Callable[[], None]) -> None:
        self._db, self._before = db, before

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._before()
        with self._db.transaction() as tx:
            yield tx


def test_what_a_dead_dispatcher_had_claimed_is_not_bought_after_the_operator_closed_all(
    desk: Desk,
) -> None:
    number = desk.recommend()
    desk.run(CLAIM, id=number, until=desk.clock.now())
    close_everything(desk)
    desk.next_minute()
    desk.dispatch()
    assert not desk.broker.submitted
    assert desk.recommendation(number)["status"] == "CANCELLED"


def test_what_waits_to_be_priced_anew_is_not_bought_after_the_operator_closed_all(
    desk: Desk,
) -> None:
    number = desk.recommend()
    desk.dispatch()
    desk.next_minute()
    desk.guard()
    assert desk.order()["status"] == "canceled"
    close_everything(desk)
    desk.next_minute()
    desk.dispatch()
    assert len(desk.broker.submitted) == 1
    assert desk.recommendation(number)["status"] == "CANCELLED"


def test_a_recommendation_that_ended_while_it_was_claimed_is_neither_bought_nor_rewritten(
    desk: Desk,
) -> None:
    number = desk.recommend()
    ended = False

    def operator() -> None:
        nonlocal ended
        if not ended and desk.recommendation(number)["status"] == "PROCESSING":
            ended = True
            close_everything(desk)

    dispatcher.run(
        AccountRequest(tick=desk.tick, account="large"),
        desk.road(db=Interrupted(desk.db, operator)),
        market_data=desk.market,
        calendar=desk.calendar,
    )
    assert ended
    assert not desk.broker.submitted
    assert desk.recommendation(number)["status"] == "CANCELLED"
    assert desk.recommendation(number)["failure_reason"] == "Closed by ann: news"


def test_a_recommendation_that_comes_during_a_run_waits_for_one_that_asked_for_its_quote(
    desk: Desk,
) -> None:
    first, later = desk.recommend(), 0

    def signals() -> None:
        nonlocal later
        if not later and desk.recommendation(first)["status"] == "PROCESSING":
            desk.quote("BBB")
            later = desk.recommend("BBB")

    dispatcher.run(
        AccountRequest(tick=desk.tick, account="large"),
        desk.road(db=Interrupted(desk.db, signals)),
        market_data=desk.market,
        calendar=desk.calendar,
    )
    assert desk.recommendation(later)["status"] == "PENDING"
    desk.next_minute()
    desk.dispatch()
    assert [order["ticker"] for order in desk.orders("entry")] == ["AAA", "BBB"]


def test_a_stop_whose_cancel_is_never_confirmed_is_alerted_while_the_exit_waits(
    held: Desk,
) -> None:
    held.broker.cancels_pend = True
    stop = str(held.order("stop")["client_order_id"])
    for _ in range(12):
        held.next_minute(AAA=("103.00", "103.10"))
        held.guard()
    assert not held.orders("exit")
    assert "exit_blocked" in held.alerts()
    held.broker.end(stop, "canceled")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    held.broker.fill(str(held.order("exit")["client_order_id"]), "103.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert "exit_blocked" not in held.alerts()


def test_an_entry_that_can_not_be_settled_does_not_keep_the_positions_from_their_exits(
    held: Desk,
) -> None:
    """The broker reports more than was ordered: that row can't be, the others go on."""
    held.quote("BBB")
    held.recommend("BBB")
    held.dispatch()
    name = str(held.orders("entry")[-1]["client_order_id"])
    order = held.broker.orders[name]
    held.next_minute(AAA=("103.00", "103.10"))
    too_much = replace(order, filled_quantity=order.quantity + 1, filled_average_price=Decimal(100))
    held.broker.orders[name] = too_much
    with pytest.raises(StageFailed, match=name):
        held.guard()
    assert [order["ticker"] for order in held.orders("exit")] == ["AAA"]


def test_an_entry_that_goes_on_filling_after_its_position_was_closed_opens_another(
    desk: Desk,
) -> None:
    """Somebody sold by hand what the first part bought; the rest is held and guarded."""
    desk.broker.at_once["AAA"] = ("100.00", "9")
    desk.recommend()
    desk.dispatch()
    name = str(desk.order()["client_order_id"])
    (first,) = desk.rows("SELECT id FROM active_positions")
    desk.run(
        "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt, ticker,"
        " symbol, instrument_type, multiplier, side, quantity, order_type, time_in_force,"
        " reserved_notional, status, reason, broker_order_id, acknowledged_at, decided_at, tick)"
        " VALUES ('by hand', 'large', 'adopted', :position, 1, 'AAA', 'AAA', 'STOCK', 1, 'sell', 9,"
        " 'market', 'day', 0, 'accepted', 'adopted', 'hand', :now, :now, :now)",
        position=first["id"],
        now=desk.clock.now(),
    )
    by_hand = replace(
        desk.broker.orders[name],
        client_order_id="by hand",
        broker_order_id="hand",
        side="sell",
        quantity=Decimal(9),
        status="filled",
    )
    desk.broker.orders["by hand"] = by_hand
    desk.broker.hold("AAA", "0", "100.00")
    desk.broker.fill(name, "100.00")
    desk.next_minute()
    desk.guard()
    positions = desk.rows("SELECT quantity, status FROM active_positions ORDER BY status, quantity")
    assert positions == [
        {"quantity": 0, "status": "closed"},
        {"quantity": 10, "status": "open"},
    ]
    assert desk.order("stop")["quantity"] == 10
    assert [it for it in breaches(desk) if "fills" not in it] == []


def test_a_fraction_of_a_share_that_was_adopted_is_sold_to_its_end(held: Desk) -> None:
    """The account buys whole shares only; what it holds is sold all the same."""
    held.run("UPDATE active_positions SET quantity = 19.5, opened_quantity = 19.5")
    held.broker.hold("AAA", "19.5", "100.00")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.order("exit")["quantity"] == Decimal("19.5")


def test_the_cooldown_counts_trades_whose_fills_are_not_listed_yet(held: Desk) -> None:
    held.clock.advance(20 * 60)
    held.quote("AAA")
    held.broker.fills_withheld = True
    held.next_minute(AAA=("103.00", "103.10"))
    held.broker.at_once["AAA"] = ("103.00", None)
    held.guard()
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.position()["status"] == "closed"
    number = held.recommend()
    held.dispatch()
    assert held.verdict(number, "cooldown")["passed"] is False


def test_an_order_that_turns_up_after_its_room_was_given_away_is_told_of(desk: Desk) -> None:
    desk.set_account(max_positions=1)
    desk.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    desk.recommend()
    desk.dispatch()
    name = str(desk.order()["client_order_id"])
    hidden = desk.broker.orders.pop(name)
    for _ in range(3):
        desk.next_minute(AAA=("109.98", "110.00"))
        desk.dispatch()
    assert desk.order()["status"] == "not_placed"
    desk.quote("BBB")
    desk.buy("BBB")
    desk.broker.orders[name] = hidden
    desk.broker.fill(name, "100.00")
    desk.next_minute(AAA=("100.00", "100.02"))
    desk.guard()
    assert desk.position("AAA")["status"] == "open"
    assert "over_cap" in desk.alerts()
    assert breaches(desk) == []


def test_what_waits_for_an_account_that_was_switched_off_ends_with_the_day(desk: Desk) -> None:
    number = desk.recommend(account="tiny")
    desk.set_account("tiny", active=False)
    desk.clock.advance(600)
    reconciler.run(
        TickRequest(tick=desk.tick),
        db=desk.db,
        road=desk.road,
        clock=desk.clock,
        journal=desk.notes,
    )
    assert desk.recommendation(number)["status"] == "EXPIRED"
    assert breaches(desk) == []
