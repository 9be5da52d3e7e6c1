"""Tables for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops_local.figures import cell
from ops_local.visible import visible
from ops_pipeline.db.driver.connection import Row


@dataclass(frozen=True, slots=True)
class Part:
    """One table: a title and rows with the same columns."""

    title: str
    rows: list[Row]


def show(console: Console, parts: Sequence[Part]) -> None:
    """Print each table; an empty one says so."""
    for part in parts:
        console.print()
        if part.rows:
            console.print(_table(part))
        else:
            console.print(f"{part.title}: none")


def is_number(value: Any) -> bool:
    """Whether a value is right-aligned in its column."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _table(part: Part) -> Table:
    table = Table(
        title=Text(part.title, style="bold"),
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    for number, name in enumerate(part.rows[0]):
        right = any(is_number(row[name]) for row in part.rows)
        # A wrapped number would read as two numbers, a wrapped name as two names.
        table.add_column(
            name.replace("_", " "),
            justify="right" if right else "left",
            no_wrap=right or number == 0,
            overflow="fold",
        )
    for row in part.rows:
        # As Text, so that square brackets in a value are not taken for markup.
        table.add_row(*(Text(visible(cell(name, value))) for name, value in row.items()))
    return table
