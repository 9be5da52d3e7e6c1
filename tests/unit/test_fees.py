"""Fees of executions, days and orders: hand-computed, and what holds for any of them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.costs.fee_table import NoFeeRate, fee_table, parse
from ops_pipeline.domain.costs.fees import (
    FeeTrade,
    accrued,
    allocated,
    charged,
    day_fees,
    order_fees,
)

DAY = date(2026, 6, 1)
GRAIN = Decimal("0.000001")
QUANTITIES = st.integers(min_value=1, max_value=5_000)
PRICES = st.decimals(min_value=1, max_value=900, places=2)
SIDES: Sequence[Side] = get_args(Side)


def trade(
    side: Side,
    qty: str,
    price: str,
    *,
    day: str = "2026-06-01",
    order: str = "a",
    multiplier: int = 1,
) -> FeeTrade:
    return FeeTrade(
        order=order,
        day=date.fromisoformat(day),
        side=side,
        quantity=Decimal(qty),
        value=Decimal(qty) * Decimal(price) * multiplier,
        multiplier=multiplier,
    )


@st.composite
def days(draw: st.DrawFn) -> list[FeeTrade]:
    """The executions of one day, several of an order among them."""
    return [
        trade(draw(st.sampled_from(SIDES)), str(draw(QUANTITIES)), str(draw(PRICES)), order=name)
        for name in draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=8))
    ]


# By hand: rate x shares or USD, each fee rounded up to the cent.
@pytest.mark.parametrize(
    ("day", "side", "qty", "price", "exact", "cents"),
    [
        ("2014-06-05", "buy", "100", "50", {"CAT": "0"}, {}),
        (
            "2014-06-05",
            "sell",
            "100",
            "50",
            {"SEC": "0.1105", "TAF": "0.0119", "CAT": "0"},
            {"SEC": "0.12", "TAF": "0.02"},
        ),
        (
            "2018-02-16",
            "sell",
            "1000",
            "20",
            {"SEC": "0.462", "TAF": "0.119", "CAT": "0"},
            {"SEC": "0.47", "TAF": "0.12"},
        ),
        (
            "2025-01-02",
            "sell",
            "37",
            "180",
            {"SEC": "0.185148", "TAF": "0.006142", "CAT": "0.001702"},
            {"SEC": "0.19", "TAF": "0.01", "CAT": "0.01"},
        ),
        ("2025-01-02", "buy", "37", "180", {"CAT": "0.001702"}, {"CAT": "0.01"}),
        (
            "2025-09-15",
            "sell",
            "1",
            "250",
            {"SEC": "0", "TAF": "0.000166", "CAT": "0.0000265"},
            {"TAF": "0.01", "CAT": "0.01"},
        ),
        ("2026-02-04", "buy", "500", "30", {"CAT": "0"}, {}),
        (
            "2026-02-04",
            "sell",
            "500",
            "30",
            {"SEC": "0", "TAF": "0.0975", "CAT": "0"},
            {"TAF": "0.10"},
        ),
        (
            "2026-04-06",
            "sell",
            "100",
            "100",
            {"SEC": "0.206", "TAF": "0.0195", "CAT": "0"},
            {"SEC": "0.21", "TAF": "0.02"},
        ),
        (
            "2026-06-01",
            "sell",
            "100000",
            "10",
            {"SEC": "20.6", "TAF": "9.79", "CAT": "0.3"},
            {"SEC": "20.60", "TAF": "9.79", "CAT": "0.30"},
        ),
        (
            "2026-10-01",
            "sell",
            "100",
            "100",
            {"SEC": "0.206", "TAF": "0", "CAT": "0.0003"},
            {"SEC": "0.21", "CAT": "0.01"},
        ),
    ],
)
def test_the_fees_of_one_trade(
    *, day: str, side: Side, qty: str, price: str, exact: dict[str, str], cents: dict[str, str]
) -> None:
    one = trade(side, qty, price, day=day)
    assert accrued(one) == {kind: Decimal(amount) for kind, amount in exact.items()}
    assert day_fees([one]) == {kind: Decimal(amount) for kind, amount in cents.items()}


def test_the_fees_of_contracts() -> None:
    sold = trade("sell", "3", "2.50", day="2026-07-20", multiplier=100)
    assert sold.value == 750
    assert day_fees([sold]) == {
        "SEC": Decimal("0.02"),  # 750 x 0.0000206 = 0.01545
        "TAF": Decimal("0.01"),  # 3 x 0.00329 = 0.00987
        "CAT": Decimal("0.01"),  # 300 x 0.000003 = 0.0009
        "ORF": Decimal("0.05"),  # 3 x 0.015 = 0.045
        "OCC": Decimal("0.08"),  # 3 x 0.025 = 0.075
    }
    assert accrued(sold)["CAT"] == Decimal("0.0009")
    bought = trade("buy", "3", "2.50", day="2026-07-20", multiplier=100)
    assert list(accrued(bought)) == ["CAT", "ORF", "OCC"]


def test_a_cap_holds_for_an_execution_and_not_below_it() -> None:
    table = parse("TAF stock sell 2026-01-01 - share 0.1 5 published a notice")
    for qty, amount in (("49", "4.9"), ("50", "5"), ("51", "5")):
        assert accrued(trade("sell", qty, "10"), table) == {"TAF": Decimal(amount)}


def test_another_table_counts_for_days_and_orders_too() -> None:
    table = parse("TAF stock sell 2000-01-01 - share 0.1 - published a notice")
    old = trade("sell", "3", "10", day="2001-01-02")
    assert day_fees([old], table) == {"TAF": Decimal("0.30")}
    assert order_fees([old], table) == {"a": {"TAF": Decimal("0.30")}}


def test_a_trade_is_of_shares_unless_it_says_otherwise() -> None:
    plain = FeeTrade(order="a", day=DAY, side="sell", quantity=Decimal(1), value=Decimal(5))
    assert list(accrued(plain)) == ["SEC", "TAF", "CAT"]


def test_a_day_is_rounded_up_once_for_all_its_trades() -> None:
    """0.00195 each: ten of them are two cents, not ten."""
    ten = [trade("sell", "10", "5", order=str(number)) for number in range(10)]
    assert day_fees(ten)["TAF"] == Decimal("0.02")
    assert day_fees(ten[:1])["TAF"] == Decimal("0.01")


def test_what_needs_no_rounding_is_not_rounded() -> None:
    assert charged(Decimal("0.01")) == Decimal("0.01")
    assert charged(Decimal("0.0100001")) == Decimal("0.02")
    assert charged(Decimal(0)) == 0


def test_trades_of_two_days_are_no_day() -> None:
    with pytest.raises(ValueError, match="of several"):
        day_fees([trade("sell", "1", "5"), trade("sell", "1", "5", day="2026-06-02")])
    assert day_fees([]) == {}
    assert order_fees([]) == {}


def test_a_day_without_a_rate_has_no_costs() -> None:
    old = trade("sell", "1", "5", day="2011-01-03")
    for ask in (accrued, lambda it: day_fees([it]), lambda it: order_fees([it])):
        with pytest.raises(NoFeeRate, match="2011-01-03"):
            ask(old)


def test_the_rounding_of_a_day_is_shared_in_proportion() -> None:
    shares = order_fees([trade("sell", "30", "5", order="a"), trade("sell", "10", "5", order="b")])
    assert shares["a"]["TAF"] == Decimal("0.0075")
    assert shares["b"]["TAF"] == Decimal("0.0025")


def test_the_executions_of_an_order_are_one_order() -> None:
    parts = [trade("sell", "30", "5"), trade("sell", "10", "5"), trade("buy", "5", "5", order="b")]
    shares = order_fees(parts)
    assert shares["a"]["TAF"] == Decimal("0.01")
    assert list(shares["b"]) == ["CAT"]


def test_what_does_not_divide_goes_to_the_largest_and_by_name_among_equals() -> None:
    thirds = allocated(Decimal("0.01"), {"c": Decimal(1), "a": Decimal(1), "b": Decimal(1)})
    assert thirds == {"a": Decimal("0.003334"), "b": Decimal("0.003333"), "c": Decimal("0.003333")}
    largest = allocated(Decimal("0.01"), {"a": Decimal(1), "b": Decimal(2)})
    assert largest == {"a": Decimal("0.003333"), "b": Decimal("0.006667")}


@pytest.mark.parametrize("parts", [{}, {"a": Decimal(0)}])
def test_a_charge_for_which_nothing_accrued_belongs_to_no_order(parts: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="belongs to no order"):
        allocated(Decimal("0.01"), parts)


@given(days())
def test_the_orders_shares_are_what_the_day_was_charged(trades: list[FeeTrade]) -> None:
    shares = order_fees(trades)
    for kind, total in day_fees(trades).items():
        each = [it[kind] for it in shares.values() if kind in it]
        assert sum(each) == total
        assert all(share >= 0 for share in each)
        assert all(share == share.quantize(GRAIN) for share in each)


@given(days())
def test_a_day_is_never_charged_less_than_accrued_nor_a_cent_more(trades: list[FeeTrade]) -> None:
    for kind, total in day_fees(trades).items():
        exact = sum((accrued(it).get(kind, Decimal(0)) for it in trades), Decimal(0))
        assert exact <= total < exact + Decimal("0.01")


@given(days(), QUANTITIES, PRICES)
def test_a_further_trade_never_makes_a_day_cheaper(
    trades: list[FeeTrade], qty: int, price: Decimal
) -> None:
    before = day_fees(trades)
    after = day_fees([*trades, trade("sell", str(qty), str(price), order="z")])
    assert all(after[kind] >= amount for kind, amount in before.items())


@given(days())
def test_whoever_accrued_more_of_a_fee_never_gets_less(trades: list[FeeTrade]) -> None:
    shares = order_fees(trades)
    for kind in day_fees(trades):
        own = {
            name: sum(
                (accrued(it).get(kind, Decimal(0)) for it in trades if it.order == name),
                Decimal(0),
            )
            for name in shares
        }
        ranked = sorted(own, key=lambda name: (own[name], shares[name].get(kind, Decimal(0))))
        amounts = [shares[name].get(kind, Decimal(0)) for name in ranked]
        assert amounts == sorted(amounts)


@given(days(), QUANTITIES)
def test_a_larger_order_of_the_same_day_costs_no_less(trades: list[FeeTrade], more: int) -> None:
    small = [*trades, trade("sell", "10", "50", order="z")]
    large = [*trades, trade("sell", str(10 + more), "50", order="z")]
    for kind, share in order_fees(small)["z"].items():
        # A millionth that did not divide may have gone to it before.
        assert order_fees(large)["z"][kind] >= share - GRAIN


def test_each_rate_of_the_table_is_used_as_its_basis_says() -> None:
    assert {it.basis for it in fee_table().rates} == {"value", "share", "contract", "equivalent"}
