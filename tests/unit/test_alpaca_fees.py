"""Fees as Alpaca tells them: by sub-type, and before there were any by their description."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.adapters.alpaca_records import cash_activity
from ops_pipeline.domain.broker import BrokerCashActivity

_TOLD: dict[str, Any] = {
    "id": "20260908000000000::97e8ab4e-6a81-42f5-8338-1bd6b5609864",
    "activity_type": "FEE",
    "activity_sub_type": "REG",
    "date": "2026-09-08",
    "created_at": "2026-09-09T00:17:05.448916Z",
    "net_amount": "-3.82",
    "description": "REG fee for proceed of $185271.37 on 2026-09-07 by PA0000000000",
    "status": "executed",
    "currency": "USD",
}


def told(**changes: Any) -> BrokerCashActivity:
    return cash_activity({**_TOLD, **changes})


def test_a_fee_says_which_it_is_and_the_trade_date_it_is_for() -> None:
    found = told()
    assert (found.kind, found.raw_kind, found.fee) == ("fee", "FEE", "SEC")
    assert (found.amount, found.trade_day) == (Decimal("-3.82"), date(2026, 9, 7))
    assert found.created_at == datetime(2026, 9, 9, 0, 17, 5, 448916, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "fee"),
    [("REG", "SEC"), ("TAF", "TAF"), ("CAT", "CAT"), ("ORF", "ORF"), ("OCC", "OCC")],
)
def test_each_published_fee_on_trades_is_known(word: str, fee: str) -> None:
    assert told(activity_sub_type=word).fee == fee
    plain = told(activity_sub_type=None, description=f"{word} fee for proceed of 2 shares")
    assert (plain.fee, plain.trade_day) == (fee, date(2026, 9, 8))


@pytest.mark.parametrize("word", ["NRC", "LCT", "COM"])
def test_a_fee_that_trades_here_do_not_have_keeps_its_word(word: str) -> None:
    found = told(activity_sub_type=word, description="")
    assert (found.kind, found.fee, found.raw_kind) == ("fee", None, f"FEE {word}")


@pytest.mark.parametrize("odd", ["a" * 500, "x\u0000y", 7, {"a": 1}, "lower case"])
def test_an_odd_word_is_no_fee_that_is_known_and_no_error(odd: object) -> None:
    found = told(activity_sub_type=odd, description=odd)
    assert (found.fee, found.raw_kind) == (None, "FEE")
    assert found.trade_day == date(2026, 9, 8)


def test_a_day_that_is_none_is_the_one_before_it_or_that_of_the_booking() -> None:
    assert told(description="TAF fee on 2026-99-99").trade_day == date(2026, 9, 8)
    assert told(description="", date="soon").trade_day == date(2026, 9, 8)
    assert told(description="", date="2026-09-05T00:00:00").trade_day == date(2026, 9, 5)
    # 00:17 in London is the evening before in New York.
    assert told(description="", date=None).trade_day == date(2026, 9, 8)


def test_a_fee_that_was_canceled_moved_nothing() -> None:
    assert told(status="canceled").amount == 0


def test_what_is_no_fee_has_none() -> None:
    found = told(activity_type="DIV", activity_sub_type="CDIV")
    assert (found.kind, found.fee, found.charged_for) == ("dividend", None, None)
