"""`ops query SQL`: the SQL console by hand; a table on a terminal, JSON or CSV elsewhere."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from ops_local import deployed
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_pipeline.db import console
from ops_pipeline.db.connection import Target, target_from_url
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb. `args.variables` must hold the environment when `args.run(args)` is called."""
    parser = subparsers.add_parser("query", help="run one reading SQL statement")
    parser.add_argument("sql", metavar="SQL")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--database-url", metavar="URL", help="a reader's login to another database")
    where.add_argument("--stack", metavar="NAME", help="a deployed stack's database")
    parser.add_argument("--params", type=json.loads, metavar="JSON",
                        help="a list for $1, $2, or an object for :name")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the answer as it comes")
    form.add_argument("--csv", action="store_true", help="print rows as CSV")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 when the statement was answered, 1 when it was refused or failed."""
    try:
        answer = _ask(args)
    except OpsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    body = answer["body"]
    if args.json or not (args.csv or sys.stdout.isatty()):
        sys.stdout.write(f"{body}\n")
    facts = json.loads(body)
    if not facts["success"]:
        sys.stderr.write(f"{facts['error']} ({facts['sqlstate'] or 'no sqlstate'})\n")
        return 1
    if args.csv:
        _write_csv(_cells(body), sys.stdout)
    elif not args.json and sys.stdout.isatty():
        _show(_cells(body), Terminal())
    if facts.get("truncated"):
        sys.stderr.write("there are more rows than these\n")
    return 0


def _ask(args: argparse.Namespace) -> dict[str, Any]:
    if args.stack:
        event = {"sql": args.sql, "params": args.params}
        return deployed.call(args.stack, "db_query", event)
    with _reader(args) as target:
        return console.run(target, args.sql, args.params)


@contextmanager
def _reader(args: argparse.Namespace) -> Iterator[Target]:
    settings = read_settings(args.variables)
    url = args.database_url or settings.database_reader_url
    if url:
        yield target_from_url(url, name="--database-url")
        return
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    name = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, None, name) as urls:
        yield target_from_url(urls.reader)


def _cells(body: str) -> list[dict[str, str]]:
    """The rows as text, numbers digit for digit as the database wrote them."""
    exact = json.loads(body, parse_float=str, parse_int=str)["rows"]
    plain = json.loads(body)["rows"]
    return [
        {name: _cell(row[name], typed[name]) for name in row}
        for row, typed in zip(exact, plain, strict=True)
    ]


def _cell(exact: Any, plain: Any) -> str:
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return str(plain).lower()
    return json.dumps(plain) if isinstance(plain, dict | list) else str(exact)


def _write_csv(rows: list[dict[str, str]], out: TextIO) -> None:
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _columns(rows: list[dict[str, str]]) -> list[list[str]]:
    """Name and cells of each column."""
    return [[name, *(row[name] for row in rows)] for name in (rows[0] if rows else ())]


def _show(rows: list[dict[str, str]], terminal: Terminal) -> None:
    """A table where it fits, else one block a row."""
    table = Table(caption=f"{len(rows)} rows", caption_justify="left")
    columns = _columns(rows)
    for name, *_ in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        # As Text, so that square brackets in a value are not taken for markup.
        table.add_row(*map(Text, row.values()))
    widest = [max(map(cell_len, column)) for column in columns]
    if sum(widest) + 3 * len(widest) + 1 <= terminal.width:
        terminal.print(table)
        return
    for number, row in enumerate(rows, start=1):
        terminal.rule(f"row {number}", align="left")
        for name, value in row.items():
            terminal.print(Text(f"{name}: {value}"), soft_wrap=True)
