"""`ops query SQL`: the SQL console; prints a table on a terminal, JSON or CSV elsewhere."""

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
from ops_pipeline.db.console import console
from ops_pipeline.db.driver.connection import ConnectionTarget, target_from_url
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings

_ANSWERED = 200
_TRUNCATED = '"truncated": true}'


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
    as_it_comes = args.json or not (args.csv or sys.stdout.isatty())
    if as_it_comes:
        sys.stdout.write(f"{body}\n")
    if answer["statusCode"] != _ANSWERED:
        facts = json.loads(body)
        place = f" at character {facts['position']}" if "position" in facts else ""
        sys.stderr.write(f"{facts['error']} ({facts['sqlstate'] or 'no sqlstate'}){place}\n")
        return 1
    if not as_it_comes:
        rows = _cells(body)
        if args.csv:
            _write_csv(rows, sys.stdout)
        else:
            _show(rows, Terminal())
    if body.endswith(_TRUNCATED):
        sys.stderr.write("there are more rows than these\n")
    return 0


def _ask(args: argparse.Namespace) -> dict[str, Any]:
    if args.stack:
        event = {"sql": args.sql, "params": args.params}
        return deployed.call(args.stack, "db_query", event)
    with _reader(args) as target:
        return console.run(target, args.sql, args.params)


@contextmanager
def _reader(args: argparse.Namespace) -> Iterator[ConnectionTarget]:
    settings = read_settings(args.variables)
    url = args.database_url or settings.database_reader_url
    if url:
        yield target_from_url(url, name="--database-url")
        return
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    name = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, None, name) as urls:
        yield target_from_url(urls.reader)


class _Number(str):
    """A number with the digits that the database sent."""

    __slots__ = ()


def _cells(body: str) -> list[dict[str, str]]:
    """The rows as text, numbers with all their digits."""
    rows = json.loads(body, parse_float=_Number, parse_int=_Number)["rows"]
    return [{name: _cell(value) for name, value in row.items()} for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value) if isinstance(value, str) else _as_json(value)
    # JSON may contain half a surrogate pair, which no file and no terminal accepts.
    return text.encode(errors="backslashreplace").decode()


def _as_json(value: Any) -> str:
    match value:
        case _Number():
            return str(value)
        case list():
            return f"[{', '.join(map(_as_json, value))}]"
        case dict():
            pairs = (f"{json.dumps(name)}: {_as_json(each)}" for name, each in value.items())
            return f"{{{', '.join(pairs)}}}"
    return json.dumps(value)


def _write_csv(rows: list[dict[str, str]], out: TextIO) -> None:
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _visible(text: str) -> str:
    """Without control characters: rows contain text from outside, for the terminal to print."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def _columns(rows: list[dict[str, str]]) -> list[list[str]]:
    """Name and cells of each column."""
    return [[name, *(row[name] for row in rows)] for name in (rows[0] if rows else ())]


def _show(rows: list[dict[str, str]], terminal: Terminal) -> None:
    """A table where it fits, else one block a row."""
    rows = [{_visible(name): _visible(cell) for name, cell in row.items()} for row in rows]
    table = Table(caption=f"{len(rows)} rows", caption_justify="left")
    columns = _columns(rows)
    if not columns:
        terminal.print(Text(f"{len(rows)} rows"))
        return
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
