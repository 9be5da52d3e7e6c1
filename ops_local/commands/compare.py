"""`ops compare A B`: compares two replays by trades, profit and refusals, then row by row."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict

from rich.console import Console

from ops_local import summary
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.target import Target
from ops_local.comparison.databases import RowDifference, compared, reading
from ops_local.comparison.days import Comparison, compare_days
from ops_local.summary import Part
from ops_local.terminal import terminal
from ops_pipeline.db.driver.connection import Row, Transaction

# A screenful; --json prints all of them.
_MOST_SHOWN = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    for side in ("A", "B"):
        parser.add_argument(
            side.lower(), metavar=side, help="name of a replay, or a reader's database URL"
        )
    parser.add_argument(
        "--after-kill",
        action="store_true",
        help="ignore attempts and leases, which may differ after a kill",
    )


def run(call: VerbCall) -> int:
    """Return 0 if both are identical, 1 if they differ or can't be read."""
    with _both(call) as (a, b):
        found = compared(a, b, after_kill=call.args.after_kill)
        days = compare_days(a, b, found)
    if call.json:
        sys.stdout.write(_as_json(days, found) + "\n")
    else:
        _show(terminal(), days, found)
    return 1 if found else 0


@contextmanager
def _both(call: VerbCall) -> Iterator[tuple[Transaction, Transaction]]:
    with ExitStack() as stack:
        a, b = (
            stack.enter_context(reading(stack.enter_context(_login(call, side))))
            for side in (call.args.a, call.args.b)
        )
        yield a, b


def _login(call: VerbCall, side: str) -> AbstractContextManager[str]:
    replay, url = (None, side) if "://" in side else (side, None)
    return Target(call.variables, replay=replay, database_url=url).reader_url()


def _as_json(days: Comparison, found: list[RowDifference]) -> str:
    rows = [
        {"table": each.table, "kind": each.kind, "key": each.key, "columns": each.columns}
        for each in found
    ]
    return json.dumps({"identical": not found, **asdict(days), "differences": rows}, default=str)


def _show(console: Console, days: Comparison, found: list[RowDifference]) -> None:
    if not found:
        console.print("identical")
        return
    summary.show(
        console,
        [
            Part("P&L by account", days.pnl),
            _part("Trades that differ", days.trades),
            _part("Recommendations that ended differently", days.answers),
            Part("Rows that differ", days.tables),
        ],
    )
    console.print(f"\nThe first of {len(found)} rows:")
    for difference in found[:_MOST_SHOWN]:
        console.print(f"  {difference}", markup=False, soft_wrap=True)


def _part(title: str, rows: list[Row]) -> Part:
    more = len(rows) - _MOST_SHOWN
    shown = f"{title} (the first {_MOST_SHOWN} of {len(rows)})" if more > 0 else title
    return Part(shown, rows[:_MOST_SHOWN])


COMMAND = Command(run, arguments)
