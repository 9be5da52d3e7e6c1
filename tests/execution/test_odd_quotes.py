"""A quote that is not plausible decides nothing: not an entry, an exit, a mark or a stop."""

from decimal import Decimal

import pytest

from tests.execution.odd_items import odd
from tests.support.builders_trading import TradingBench

# Each cost money, or would have: the last is a share's offer of 198 beside a market at 183.
ODD_QUOTES = [
    ("60", "100.02"),
    ("0.01", "100.02"),
    ("99.98", "150"),
    ("99.98", "102.50"),
    ("99.98", "130"),
    ("99.98", "108.19"),
]


def protected(bench: TradingBench) -> bool:
    """Whether the first stop still rests at the broker, and nothing else was sent."""
    stop = bench.order("stop")
    resting = [it for it in bench.broker.orders.values() if it.status == "working"]
    names = [it.client_order_id for it in resting]
    first = (stop["status"], stop["price"]) == ("accepted", Decimal("98.00"))
    return first and names == [stop["client_order_id"]] and not bench.orders("exit")


def marked(bench: TradingBench) -> tuple[object, ...]:
    names = ("current_price", "current_pnl_dollars", "peak_price", "trough_price", "stop_loss")
    position = bench.position()
    return tuple(position[name] for name in names)


@pytest.mark.parametrize(("bid", "ask"), ODD_QUOTES)
def test_an_implausible_quote_marks_and_sells_nothing(
    held: TradingBench, bid: str, ask: str
) -> None:
    before = marked(held)
    held.next_minute()
    held.market.quote("AAA", bid, ask)
    outcome = held.guard()
    assert (outcome.marked, outcome.unpriced, outcome.implausible) == (0, 1, 1)
    assert protected(held)
    assert marked(held) == before
    assert held.alerts() == []


@pytest.mark.parametrize(("bid", "ask"), ODD_QUOTES)
def test_an_implausible_quote_buys_nothing(bench: TradingBench, bid: str, ask: str) -> None:
    bench.market.quote("AAA", bid, ask)
    number = bench.recommend()
    assert bench.dispatch().skipped == 1
    assert not bench.orders()
    assert not bench.verdict(number, "quote_plausible")["passed"]


def test_a_quote_that_is_implausible_for_three_ticks_is_told_of(held: TradingBench) -> None:
    for tick in range(1, 4):
        held.next_minute()
        held.market.quote("AAA", "60", "100.02")
        held.guard()
        assert held.alerts() == (["position_unpriced"] if tick == 3 else [])
    assert protected(held)
    held.next_minute(AAA=("99.98", "100.00"))
    held.guard()
    assert held.alerts() == []
    assert held.position()["unpriced_ticks"] == 0


def test_a_narrow_quote_far_from_the_market_is_not_believed(held: TradingBench) -> None:
    held.next_minute()
    held.market.quote("AAA", "60.00", "60.02")
    assert held.guard().implausible == 1
    # Trading went on at the old price: a second such quote proves no more.
    held.next_minute(AAA=("99.98", "100.00"))
    held.market.quote("AAA", "60.00", "60.02")
    assert held.guard().implausible == 1
    assert protected(held)


def test_two_quotes_of_two_ticks_are_believed_where_nothing_was_traded_since(
    held: TradingBench,
) -> None:
    held.clock.advance(60)
    held.market.quote("AAA", "90.00", "90.02")
    assert held.guard().implausible == 1
    held.clock.advance(60)
    held.market.quote("AAA", "89.98", "90.00")
    assert held.guard().exits_sent == 1
    assert held.order("exit")["reason"] == "stop_loss"


def test_the_same_quote_once_more_is_no_second_one(held: TradingBench) -> None:
    held.clock.advance(60)
    frozen = held.market.quote("AAA", "90.00", "90.02")
    held.guard()
    held.clock.advance(50)
    held.market.latest["AAA"] = frozen
    assert held.guard().implausible == 1
    assert protected(held)


def test_a_stop_waits_for_a_second_quote(held: TradingBench) -> None:
    held.next_minute(AAA=("98.58", "98.60"))
    held.guard()
    held.clock.advance(60)
    held.market.quote("AAA", "97.90", "97.94")
    outcome = held.guard()
    assert (outcome.marked, outcome.exits_sent, outcome.unconfirmed) == (1, 0, 1)
    assert protected(held)
    held.clock.advance(60)
    held.market.quote("AAA", "97.92", "97.96")
    assert held.guard().exits_sent == 1
    assert held.order("exit")["reason"] == "stop_loss"


def test_a_stop_is_decided_on_one_quote_and_a_trade(held: TradingBench) -> None:
    held.clock.advance(60)
    held.market.quote("AAA", "97.90", "97.94")
    held.market.trade("AAA", "97.95")
    assert held.guard().exits_sent == 1


def test_a_quote_without_shares_decides_nothing(held: TradingBench) -> None:
    held.next_minute()
    held.market.quote("AAA", "97.90", "97.94", size=0)
    assert held.guard().implausible == 1
    assert protected(held)


@pytest.mark.parametrize(
    ("bid", "ask", "limit"), [("60", "100.02", "96.99"), ("99.98", "150", "99.78")]
)
def test_what_is_due_at_any_price_is_sold_near_the_last_trade(
    held: TradingBench, bid: str, ask: str, limit: str
) -> None:
    """The session ends, or somebody asked for it: a quote that stays wide keeps nothing open."""
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    held.market.quote("AAA", bid, ask)
    held.market.trade("AAA", "100.00")
    held.guard()
    held.guard()
    exit_order = held.order("exit")
    assert (exit_order["reason"], exit_order["price"]) == ("operator", Decimal(limit))
    assert held.position()["current_price"] == Decimal("99.99")


def test_what_is_due_waits_where_nothing_else_says_what_the_price_is(held: TradingBench) -> None:
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.run("DELETE FROM lane_telemetry")
    held.clock.advance(3600)
    held.market.quote("AAA", "60", "100.02")
    held.guard()
    assert protected(held)


@pytest.mark.parametrize(
    ("bid", "ask"), [("60.00", "60.02"), ("102.50", "102.52"), ("200.00", "200.02")]
)
def test_a_quote_that_is_all_that_is_known_decides_nothing_by_itself(
    held: TradingBench, bid: str, ask: str
) -> None:
    """As after a night, or in a share that nobody traded for half an hour."""
    before = marked(held)
    alone(held, bid, ask, after_s=3600)
    assert held.guard().implausible == 1
    assert (protected(held), marked(held), held.alerts()) == (True, before, [])
    held.next_minute(AAA=("99.98", "100.00"))
    assert held.guard().marked == 1
    assert protected(held)


def test_a_second_quote_bears_out_one_that_was_all_that_was_known(held: TradingBench) -> None:
    """A gap over night is real where the next minute says so too."""
    alone(held, "90.00", "90.02", after_s=3600)
    assert held.guard().implausible == 1
    alone(held, "90.02", "90.04", after_s=60)
    assert held.guard().exits_sent == 1
    assert held.order("exit")["reason"] == "stop_loss"


def alone(bench: TradingBench, bid: str, ask: str, *, after_s: float) -> None:
    """Only a quote tells the price, this long after the last that was known."""
    bench.run("DELETE FROM lane_telemetry")
    bench.clock.advance(after_s)
    bench.market.quote("AAA", bid, ask)


def test_an_illegible_quote_stays_told_of_while_no_quote_can_be_read(held: TradingBench) -> None:
    """Another account asks for it alone, and then the whole answer is of no use."""
    held.market.illegible = [odd("quote", "AAA", symbol="AAA")]
    held.next_minute()
    held.guard()
    assert "item_illegible" in held.alerts()
    held.market.down = True
    held.clock.advance(60)
    held.guard()
    assert "item_illegible" in held.alerts()
    held.market.down, held.market.illegible = False, []
    held.next_minute()
    held.guard()
    assert "item_illegible" not in held.alerts()
