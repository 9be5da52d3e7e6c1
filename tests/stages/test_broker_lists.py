"""What the broker lists as held and as being bought counts; a list that can't be right refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import BrokerUnavailable
from tests.builders_trading import Desk
from tests.fakes import FixedClock


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def why_not(desk: Desk, ticker: str = "BBB") -> str | None:
    """Recommend the ticker, dispatch, and give the reason of a refusal."""
    desk.quote(ticker)
    desk.broker.at_once[ticker] = ("100.00", None)
    number = desk.recommend(ticker)
    desk.dispatch()
    reason: str | None = desk.recommendation(number)["failure_reason"]
    return reason


@pytest.mark.parametrize("call", ["positions", "orders_since"])
def test_a_list_that_cannot_be_read_refuses(desk: Desk, call: str) -> None:
    desk.broker.fail(call, BrokerUnavailable("503"))  # type: ignore[arg-type]  # one of Call
    assert why_not(desk) == "What the broker holds unknown: refused"
    assert desk.orders() == []


def test_a_list_without_what_is_held_here_refuses_and_names_it(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    desk.broker.hold("AAA", "0", "100.00")
    desk.broker.cash += 1900
    assert why_not(desk) == "The broker does not list AAA"
    assert desk.notes.of("positions_not_listed") == [{"account": "large", "symbols": ["AAA"]}]


def test_a_stop_that_has_just_filled_refuses_nothing(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    desk.guard()
    desk.next_minute()
    desk.broker.fill(str(desk.order("stop")["client_order_id"]), "98.00")
    assert why_not(desk) is None
    assert desk.position()["status"] == "open"
    desk.guard()
    assert desk.position()["status"] == "closed"


@pytest.mark.parametrize("behind_ms", [0, 1, 5_000])
def test_a_broker_whose_clock_is_behind_gets_every_entry_of_a_run(
    desk: Desk, behind_ms: int
) -> None:
    desk.broker.clock = FixedClock(desk.clock.now() - timedelta(milliseconds=behind_ms))
    for ticker in ("AAA", "BBB"):
        desk.quote(ticker)
        desk.broker.at_once[ticker] = ("100.00", None)
    numbers = [desk.recommend(ticker) for ticker in ("AAA", "BBB")]
    desk.dispatch()
    assert [desk.recommendation(number)["status"] for number in numbers] == ["EXECUTED"] * 2


def test_what_was_bought_by_hand_is_not_bought_twice(desk: Desk) -> None:
    desk.broker.hold("BBB", "5", "100.00")
    assert why_not(desk) == "BBB is held or being bought"


def test_what_was_bought_by_hand_counts_in_the_number_of_positions(desk: Desk) -> None:
    desk.set_account(max_positions=2)
    for ticker in ("CCC", "DDD"):
        desk.broker.hold(ticker, "5", "100.00")
    assert why_not(desk) == "At position limit: 2/2"


def test_what_was_bought_by_hand_counts_in_the_exposure_once(desk: Desk) -> None:
    """$9,000 of $10,000 are taken: what is left is the size."""
    desk.broker.hold("CCC", "90", "100.00")
    assert why_not(desk) is None
    (order,) = desk.orders("entry")
    assert 0 < order["quantity"] * order["price"] <= 1000

    desk.next_minute()
    desk.broker.hold("CCC", "200", "100.00")
    assert "Exposure $" in (why_not(desk, "DDD") or "")


def _working(desk: Desk, **changes: object) -> Callable[..., object]:
    """The broker's lists with an order of somebody's in them that may still fill."""
    desk.buy("AAA")
    (ours,) = desk.broker.orders.values()
    working = replace(
        ours,
        client_order_id="by hand",
        broker_order_id="h",
        symbol="BBB",
        status="new",
        filled_quantity=ours.filled_quantity * 0,
        filled_average_price=None,
        **changes,  # type: ignore[arg-type]  # of a BrokerOrder
    )
    honest = desk.broker.orders_since
    return lambda since: [
        *honest(since),
        *([working] if working.submitted_at >= since else []),
    ]


def test_an_order_of_days_ago_that_still_works_counts_as_being_bought(desk: Desk) -> None:
    lists = _working(desk, submitted_at=desk.clock.now() - timedelta(days=3))
    desk.broker.orders_since = lists  # type: ignore[method-assign, assignment]
    desk.next_minute()
    assert why_not(desk) == "BBB is held or being bought"


def test_an_order_in_dollars_that_still_works_counts_as_being_bought(desk: Desk) -> None:
    lists = _working(desk, quantity=0)
    desk.broker.orders_since = lists  # type: ignore[method-assign, assignment]
    desk.next_minute()
    assert why_not(desk) == "BBB is held or being bought"
