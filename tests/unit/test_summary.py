"""The tables at the end of a replay, on the narrow terminal that most people have."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ops_local.day_summary import read
from ops_local.figures import cell
from ops_local.summary import Part, show
from ops_pipeline.db.driver.connection import Database

_IN = datetime(2026, 2, 4, 15, 22, tzinfo=UTC)
_POSITION = {
    "account": "large",
    "symbol": "GOOGL",
    "qty": Decimal(1_250),
    "in": _IN,
    "bought": Decimal("413.95"),
    "out": _IN,
    "sold": Decimal("422.16"),
    "exit": "trailing_stop",
    "P&L": Decimal("-1262.50"),
}


def _shown(*parts: Part) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    show(console, parts)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_position_fits_80_columns_with_every_figure_whole() -> None:
    text = _shown(Part("Positions", [_POSITION]))
    assert max(map(len, text.splitlines())) <= 80
    row = text.splitlines()[-1].split()
    assert row == [
        "large", "GOOGL", "1,250", "10:22", "413.95", "10:22", "422.16", "trailing_stop",
        "-1,262.50",
    ]  # fmt: skip


def test_a_table_without_rows_says_none() -> None:
    assert "Positions: none" in _shown(Part("Positions", []))


def test_square_brackets_in_a_value_are_no_markup() -> None:
    assert "[red]loss[/red]" in _shown(Part("Alerts", [{"message": "[red]loss[/red]"}]))


def test_what_acts_on_a_terminal_is_written_out_and_hides_no_word_beside_it() -> None:
    text = _shown(Part("Accounts", [{"halted": "a\x1b[31mred\x07 and more words"}]))
    assert text.splitlines()[-1].rstrip() == "a\\u001b[31mred\\u0007 and more words"


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    assert cell("P&L", None) == "-"
    assert cell("P&L", Decimal(0)) == "+0.00"


def test_a_moment_inside_a_sentence_is_told_in_new_york() -> None:
    limit = "2026-02-04T14:35:00+00:00 to 2026-07-06T19:00:00Z"
    assert cell("limit", limit) == "09:35 to 15:00"
    assert cell("day", date(2026, 2, 4)) == "2026-02-04"


@given(st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2))
def test_profit_reads_back_as_what_it_was(amount: Decimal) -> None:
    assert Decimal(cell("P&L", amount).replace(",", "")) == amount


def test_every_table_is_asked_of_an_empty_database_without_complaint(db: Database) -> None:
    with db.transaction() as tx:
        parts = read(tx)
    text = _shown(*parts)
    assert "Positions: none" in text
    facts = {row["fact"]: row["value"] for row in parts[0].rows}
    assert (facts["day"], facts["news items"], facts["tickers watched"]) == (None, 0, 33)
