"""How a day's charge is settled, and which fees a person is told of."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.costs.settling import FeeDay, finding, pending, settled
from ops_pipeline.domain.trading_terms import FeeKind

DAY = date(2026, 6, 1)
CENTS = st.decimals(min_value=0, max_value=50, places=2)
PARTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.none() | st.decimals(min_value=0, max_value=9, places=7),
    min_size=1,
    max_size=6,
)


def fees(
    estimated: Mapping[str, str | None], charged: str | None, fee: FeeKind | None = "TAF"
) -> FeeDay:
    return FeeDay(
        fee=fee,
        day=DAY,
        word=fee or "FEE NRC",
        estimated={name: None if it is None else Decimal(it) for name, it in estimated.items()},
        charged=None if charged is None else Decimal(charged),
    )


def test_orders_share_a_charge_by_what_they_accrued() -> None:
    day = fees({"a": "0.006", "b": "0.002"}, "0.01")
    assert settled(day) == {"a": Decimal("0.0075"), "b": Decimal("0.0025")}
    assert finding(day) is None
    assert day.expected == Decimal("0.01")
    assert day.subject == "TAF 2026-06-01"


def test_nothing_is_settled_before_it_is_charged() -> None:
    day = fees({"a": "0.006"}, None)
    assert (settled(day), finding(day)) == ({}, None)


def test_a_fee_that_nobody_has_and_nobody_charges_is_none() -> None:
    assert (settled(fees({}, None)), finding(fees({}, None))) == ({}, None)


def test_a_charge_of_nothing_settles_at_nothing() -> None:
    assert settled(fees({"a": "0"}, "0")) == {"a": Decimal(0)}
    assert finding(fees({"a": "0"}, "0")) is None


def test_a_charge_that_no_order_explains_is_told() -> None:
    day = fees({}, "0.02")
    assert settled(day) == {}
    assert finding(day) == (
        "the broker charged $0.02, and no order of that day is known to have it"
    )
    assert finding(fees({}, "1.00", None)) is not None


@pytest.mark.parametrize("charged", ["0.02", "0", "9.79"])
def test_a_charge_that_is_not_the_table_s_is_shared_all_the_same_and_told(charged: str) -> None:
    day = fees({"a": "0.006", "b": "0.002"}, charged)
    assert sum(settled(day).values()) == Decimal(charged)
    assert finding(day) == f"the broker charged ${charged}, the table of fees comes to $0.01"


def test_a_charge_where_the_table_has_none_is_shared_alike() -> None:
    day = fees({"a": "0", "b": "0"}, "0.01")
    assert settled(day) == {"a": Decimal("0.005"), "b": Decimal("0.005")}
    assert finding(day) == "the broker charged $0.01, the table of fees comes to $0.00"


def test_orders_without_a_rate_are_told_and_settled_by_what_the_others_accrued() -> None:
    day = fees({"a": "0.006", "b": None}, "0.01")
    assert settled(day) == {"a": Decimal("0.01"), "b": Decimal(0)}
    assert finding(day) == "the table of fees has no rate for that day"
    assert finding(fees({"a": None}, None)) == "the table of fees has no rate for that day"
    assert settled(fees({"a": None, "b": None}, "0.01"))["b"] == Decimal("0.005")
    assert day.expected is None


def test_money_that_comes_back_is_not_shared() -> None:
    day = fees({"a": "0.006"}, "-0.01")
    assert settled(day) == {}
    assert finding(day) == "the broker charged $-0.01, the table of fees comes to $0.01"


def test_what_is_accrued_and_not_charged_is_pending() -> None:
    days = [
        fees({"a": "0.006"}, None),
        fees({"a": "0.021", "b": "0.0001"}, None, "SEC"),
        fees({"a": "0.5"}, "0.50", "CAT"),
        fees({"a": None}, None),
    ]
    assert pending(days) == Decimal("0.04")
    assert pending([]) == 0


@given(PARTS, CENTS)
def test_the_shares_of_all_orders_are_the_charge(
    estimated: dict[str, Decimal | None], charged: Decimal
) -> None:
    day = FeeDay(fee="SEC", day=DAY, word="SEC", estimated=estimated, charged=charged)
    shares = settled(day)
    assert shares.keys() == estimated.keys()
    assert sum(shares.values()) == charged
    assert all(share >= 0 for share in shares.values())
