"""What the broker lists as held and as being bought counts; a list that can't be right refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerUnavailable
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock


def why_not(bench: TradingBench, ticker: str = "BBB") -> str | None:
    """Recommend the ticker, dispatch, and give the reason of a refusal."""
    bench.quote(ticker)
    bench.broker.at_once[ticker] = ("100.00", None)
    number = bench.recommend(ticker)
    bench.dispatch()
    reason: str | None = bench.recommendation(number)["failure_reason"]
    return reason


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        # What else the account holds moves its equity as well.
        ("positions", "Daily loss unknown: refused; What the broker holds unknown: refused"),
        ("orders_since", "What the broker holds unknown: refused"),
    ],
)
def test_a_list_that_cannot_be_read_refuses(bench: TradingBench, call: str, reason: str) -> None:
    bench.broker.fail(call, BrokerUnavailable("503"))  # type: ignore[arg-type]  # one of Call
    assert why_not(bench) == reason
    assert bench.orders() == []


def test_a_list_without_what_is_held_here_refuses_and_names_it(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.broker.hold("AAA", "0", "100.00")
    bench.broker.cash += 1900
    assert why_not(bench) == "The broker does not list AAA"
    assert bench.notes.of("positions_not_listed") == [{"account": "large", "symbols": ["AAA"]}]


def test_a_stop_that_has_just_filled_refuses_nothing(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard()
    bench.next_minute()
    bench.broker.fill(str(bench.order("stop")["client_order_id"]), "98.00")
    assert why_not(bench) is None
    assert bench.position()["status"] == "open"
    bench.guard()
    assert bench.position()["status"] == "closed"


@pytest.mark.parametrize("behind_ms", [0, 1, 5_000])
def test_a_broker_whose_clock_is_behind_gets_every_entry_of_a_run(
    bench: TradingBench, behind_ms: int
) -> None:
    bench.broker.clock = FixedClock(bench.clock.now() - timedelta(milliseconds=behind_ms))
    for ticker in ("AAA", "BBB"):
        bench.quote(ticker)
        bench.broker.at_once[ticker] = ("100.00", None)
    numbers = [bench.recommend(ticker) for ticker in ("AAA", "BBB")]
    bench.dispatch()
    assert [bench.recommendation(number)["status"] for number in numbers] == ["EXECUTED"] * 2


def test_what_was_bought_by_hand_is_not_bought_twice(bench: TradingBench) -> None:
    bench.broker.hold("BBB", "5", "100.00")
    assert why_not(bench) == "BBB is held or being bought"


def test_what_was_bought_by_hand_counts_in_the_number_of_positions(bench: TradingBench) -> None:
    bench.set_account(max_positions=2)
    for ticker in ("CCC", "DDD"):
        bench.broker.hold(ticker, "5", "100.00")
    assert why_not(bench) == "At position limit: 2/2"


def test_what_was_bought_by_hand_counts_in_the_exposure_once(bench: TradingBench) -> None:
    """$9,000 of $10,000 are taken: what is left is the size."""
    bench.broker.hold("CCC", "90", "100.00")
    assert why_not(bench) is None
    (order,) = bench.orders("entry")
    assert 0 < order["quantity"] * order["price"] <= 1000

    bench.next_minute()
    bench.broker.hold("CCC", "200", "100.00")
    assert "Exposure $" in (why_not(bench, "DDD") or "")


def _working(bench: TradingBench, **changes: object) -> Callable[..., object]:
    """The broker's lists with an order of somebody's in them that may still fill."""
    bench.buy("AAA")
    (ours,) = bench.broker.orders.values()
    working = replace(
        ours,
        client_order_id="by hand",
        broker_order_id="h",
        symbol="BBB",
        status="working",
        raw_status="new",
        filled_quantity=ours.filled_quantity * 0,
        filled_average_price=None,
        **changes,  # type: ignore[arg-type]  # of a BrokerOrder
    )
    honest = bench.broker.orders_since
    return lambda since: Listing(
        [*honest(since), *([working] if working.submitted_at >= since else [])]
    )


def test_an_order_of_days_ago_that_still_works_counts_as_being_bought(bench: TradingBench) -> None:
    lists = _working(bench, submitted_at=bench.clock.now() - timedelta(days=3))
    bench.broker.orders_since = lists  # type: ignore[method-assign, assignment]
    bench.next_minute()
    assert why_not(bench) == "BBB is held or being bought"


def test_an_order_in_dollars_that_still_works_counts_as_being_bought(bench: TradingBench) -> None:
    lists = _working(bench, quantity=0)
    bench.broker.orders_since = lists  # type: ignore[method-assign, assignment]
    bench.next_minute()
    assert why_not(bench) == "BBB is held or being bought"
