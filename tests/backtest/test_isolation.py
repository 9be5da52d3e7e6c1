"""One day, and one position, that is not as foreseen costs no other its place."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ops_local.backtest.book.book import Book
from ops_local.backtest.plan import Variant
from ops_local.backtest.results import _in_order, unproven
from ops_local.backtest.running import RefusedDay, check_all, run_all
from ops_pipeline.domain.parameters import Parameters

VARIANT = Variant("", Parameters())
# No file system takes the name: nobody foresaw that error.
ODD = Path("a\0b")


def test_a_day_that_fails_unforeseen_is_refused_alone(tmp_path: Path) -> None:
    found = list(run_all([ODD, tmp_path], [VARIANT], 1))
    assert [type(it) for it in found] == [RefusedDay, RefusedDay]
    odd, empty = found
    assert isinstance(odd, RefusedDay)
    assert odd.reason.startswith("ValueError: ")
    assert isinstance(empty, RefusedDay)
    assert "session.json: expected this file" in empty.reason


def test_a_day_that_cannot_be_checked_is_told_alone(tmp_path: Path) -> None:
    found = dict(check_all([ODD, tmp_path], VARIANT, ["warmup"]))
    assert [len(it) for it in found.values()] == [1, 1]


def test_a_position_closed_without_a_price_is_no_trade_of_zero_dollars() -> None:
    book, at = Book(), datetime(2026, 2, 4, 15, 31, tzinfo=UTC)
    for number, pnl in enumerate((Decimal(3), None)):
        book.history.insert(
            {
                "id": number,
                "position_id": number,
                "account_name": "large",
                "ticker": "AAA",
                "exit_time": at,
                "pnl_dollars": pnl,
            }
        )
    assert [row["pnl_dollars"] for row in _in_order(book)] == [3]
    assert unproven(book) == ["15:31 large: AAA closed without a price"]
