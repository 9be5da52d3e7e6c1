"""What a person buys by hand counts against the exposure limit, held or still resting."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.errors import BrokerUnavailable
from tests.support.builders_trading import TradingBench


def rest_by_hand(
    bench: TradingBench, symbol: str, quantity: str, price: str | None, notional: str | None = None
) -> None:
    """A buy that a person placed at the broker, resting."""
    request = OrderRequest(
        client_order_id=f"by-hand-{symbol}",
        symbol=symbol,
        side="buy",
        quantity=Decimal(quantity),
        order_type="limit" if price else "market",
        price=Decimal(price) if price else None,
        time_in_force="gtc",
    )
    placed: BrokerOrder = bench.broker.submit(request)
    bench.broker.orders[placed.client_order_id] = replace(
        placed, notional=Decimal(notional) if notional else None
    )


def exposure_seen(bench: TradingBench, ticker: str = "CCC") -> tuple[bool, str]:
    """Whether the gate passed an entry in the ticker, and what it said."""
    bench.quote(ticker)
    number = bench.recommend(ticker)
    bench.dispatch()
    verdict = bench.verdict(number, "max_exposure")
    return verdict["passed"], verdict["reason"]


@pytest.fixture
def holding(bench: TradingBench) -> TradingBench:
    """19 AAA of ours at $100; the limit is $10,000."""
    bench.buy()
    bench.next_minute()
    return bench


def test_more_of_a_symbol_that_we_hold_counts(holding: TradingBench) -> None:
    """At the broker $10,000 of AAA, of which $1,900 are ours."""
    holding.broker.hold("AAA", "100", "100")
    passed, reason = exposure_seen(holding)
    assert not passed
    assert reason.endswith("/$10000")


def test_less_at_the_broker_than_ours_does_not_make_room(holding: TradingBench) -> None:
    holding.set_account(max_exposure=2000)
    holding.broker.hold("AAA", "1", "100")
    passed, _ = exposure_seen(holding)
    assert not passed


@pytest.mark.parametrize("symbol", ["AAA", "BBB"])
def test_a_resting_buy_by_hand_counts_at_its_limit(holding: TradingBench, symbol: str) -> None:
    rest_by_hand(holding, symbol, "80", "100")
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_resting_buy_in_dollars_counts_at_its_dollars(holding: TradingBench) -> None:
    rest_by_hand(holding, "BBB", "1", None, notional="8000")
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_resting_buy_without_a_price_refuses(holding: TradingBench) -> None:
    rest_by_hand(holding, "BBB", "1", None)
    passed, reason = exposure_seen(holding)
    assert (passed, reason) == (False, "Exposure unknown: refused")


def test_our_own_resting_entry_counts_once(bench: TradingBench) -> None:
    bench.recommend("AAA")
    bench.dispatch()
    own = sum(order["reserved_notional"] for order in bench.orders("entry"))
    bench.clock.advance(1)
    bench.quote("BBB")
    number = bench.recommend("BBB")
    bench.dispatch()
    assert bench.verdict(number, "max_exposure")["observed"] in (
        float(own + bench.orders("entry")[-1]["reserved_notional"]),
        str(own + bench.orders("entry")[-1]["reserved_notional"]),
    )


@pytest.mark.parametrize("days", [3, 5, 89])
def test_a_resting_buy_of_days_ago_still_counts(holding: TradingBench, days: int) -> None:
    """Good till cancelled rests for ninety days."""
    rest_by_hand(holding, "BBB", "80", "100")
    order = holding.broker.orders["by-hand-BBB"]
    holding.broker.orders["by-hand-BBB"] = replace(
        order, submitted_at=order.submitted_at - timedelta(days=days)
    )
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_list_of_resting_orders_that_can_not_be_read_refuses(holding: TradingBench) -> None:
    holding.broker.fail("resting_orders", BrokerUnavailable("503"))
    holding.quote("CCC")
    number = holding.recommend("CCC")
    holding.dispatch()
    assert not holding.verdict(number, "max_positions")["passed"]


def test_an_illegible_resting_order_refuses(holding: TradingBench) -> None:
    """Too old for the list of the last days, and of whatever price."""
    rest_by_hand(holding, "BBB", "1", "1")
    order = holding.broker.orders["by-hand-BBB"]
    holding.broker.orders["by-hand-BBB"] = replace(
        order, submitted_at=order.submitted_at - timedelta(days=40)
    )
    holding.broker.illegible = [
        IllegibleItem(kind="order", name="by-hand-BBB", reason="odd", content="{}", symbol="BBB")
    ]
    holding.quote("CCC")
    number = holding.recommend("CCC")
    holding.dispatch()
    assert holding.recommendation(number)["status"] == "SKIPPED"


def rest_sale(
    bench: TradingBench,
    symbol: str,
    quantity: str,
    *,
    name: str = "",
    limit: str | None = None,
    stop: str | None = None,
    order_type: str = "limit",
) -> None:
    """A sale that a person placed, of shares that may not be held."""
    rest_by_hand(bench, symbol, "1", "1")
    placed = bench.broker.orders.pop(f"by-hand-{symbol}")
    own = name or f"sale-{symbol}"
    bench.broker.orders[own] = replace(
        placed,
        client_order_id=own,
        broker_order_id=own,
        side="sell",
        order_type=order_type,
        quantity=Decimal(quantity),
        limit_price=Decimal(limit) if limit else None,
        stop_price=Decimal(stop) if stop else None,
    )


@pytest.mark.parametrize("symbol", ["AAA", "BBB"])
@pytest.mark.parametrize("price", [{"limit": "100"}, {"stop": "100"}])
def test_a_resting_short_sale_counts_at_its_price(
    holding: TradingBench, symbol: str, price: dict[str, str]
) -> None:
    """Of AAA 19 are held: 100 more open a short of $8,100 or more."""
    rest_sale(holding, symbol, "100", **price)
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_short_sale_counts_beside_a_resting_buy(holding: TradingBench) -> None:
    """Both sides may fill."""
    rest_sale(holding, "BBB", "41", limit="101")
    rest_by_hand(holding, "BBB", "41", "100")
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_short_sale_of_the_dearer_half_counts(holding: TradingBench) -> None:
    """19 AAA are held; which of two sales opens the short is not known: the dearer one."""
    rest_sale(holding, "AAA", "19", limit="1", name="cheap")
    rest_sale(holding, "AAA", "19", limit="500", name="dear")
    passed, _ = exposure_seen(holding)
    assert not passed


def test_a_short_sale_without_a_price_refuses(holding: TradingBench) -> None:
    rest_sale(holding, "BBB", "1", order_type="market")
    passed, reason = exposure_seen(holding)
    assert (passed, reason) == (False, "Exposure unknown: refused")


def test_a_resting_short_sale_takes_a_position_s_room(holding: TradingBench) -> None:
    holding.set_account(max_positions=2)
    rest_sale(holding, "BBB", "1", limit="1")
    holding.quote("CCC")
    number = holding.recommend("CCC")
    holding.dispatch()
    assert not holding.verdict(number, "max_positions")["passed"]


def test_the_legs_of_a_spread_that_is_sold_refuse(holding: TradingBench) -> None:
    """Legs have no price of their own."""
    for leg in ("AAA260220C00110000", "AAA260220P00090000"):
        rest_sale(holding, leg, "1", order_type="")
    passed, reason = exposure_seen(holding)
    assert (passed, reason) == (False, "Exposure unknown: refused")


def test_a_buy_to_cover_counts_beside_the_short(holding: TradingBench) -> None:
    """Whether it covers is the broker's business; till then both may be there."""
    holding.broker.hold("BBB", "-41", "100")
    rest_by_hand(holding, "BBB", "41", "100")
    passed, _ = exposure_seen(holding)
    assert not passed


def test_our_own_stop_and_a_sale_of_what_is_held_cost_nothing(holding: TradingBench) -> None:
    """Neither opens anything: $1,900 are held and stay so."""
    holding.guard()
    assert len(holding.orders("stop")) == 1
    holding.broker.hold("BBB", "10", "100")
    rest_sale(holding, "BBB", "10", limit="500")
    passed, reason = exposure_seen(holding)
    assert passed, reason
    assert float(holding.verdict(1, "max_exposure")["observed"]) < 10_000
