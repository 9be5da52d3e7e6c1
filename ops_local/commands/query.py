"""`ops query SQL`: the SQL console; prints a table on a terminal, JSON or CSV elsewhere."""

import argparse
import csv
import json
import sys
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall
from ops_local.terminal import terminal
from ops_local.visible import csv_cell, visible
from ops_pipeline.db.console import console
from ops_pipeline.db.driver.connection import target_from_url

_ANSWERED = 200
_TRUNCATED = '"truncated": true}'


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL")
    parser.add_argument("--params", type=_json, metavar="JSON",
                        help="a list for $1, $2, or an object for :name")  # fmt: skip


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # argparse would name the function that reads the argument.
        raise argparse.ArgumentTypeError(f"it is no JSON: {text}") from None


def run(call: VerbCall) -> int:
    """Return 0 if the statement succeeded, 1 if it was refused or failed."""
    answer = _ask(call)
    body = answer["body"]
    as_it_comes = call.json or not (call.args.csv or sys.stdout.isatty())
    if as_it_comes:
        sys.stdout.write(f"{body}\n")
    if answer["statusCode"] != _ANSWERED:
        facts = json.loads(body)
        place = f" at character {facts['position']}" if "position" in facts else ""
        sys.stderr.write(f"{facts['error']} ({facts['sqlstate'] or 'no sqlstate'}){place}\n")
        return 1
    if not as_it_comes:
        rows = _cells(body)
        if call.args.csv:
            _write_csv(rows, sys.stdout)
        else:
            _show(rows, terminal())
    if body.endswith(_TRUNCATED):
        sys.stderr.write("there are more rows\n")
    return 0


def _ask(call: VerbCall) -> dict[str, Any]:
    sql, params = call.args.sql, call.args.params
    if call.target.stack:
        return deployed.call(call.target.stack, "db_query", {"sql": sql, "params": params})
    if sys.stderr.isatty():
        sys.stderr.write(f"{call.target.place().title}\n")
    with call.target.reader_url() as url:
        return console.run(target_from_url(url, name="--database-url"), sql, params)


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
        for row in ({name: name for name in rows[0]}, *rows):
            writer.writerow({name: csv_cell(text) for name, text in row.items()})


def _columns(rows: list[dict[str, str]]) -> list[list[str]]:
    """Name and cells of each column."""
    return [[name, *(row[name] for row in rows)] for name in (rows[0] if rows else ())]


def _show(rows: list[dict[str, str]], screen: Console) -> None:
    """A table where it fits, else one block a row."""
    rows = [{visible(name): visible(cell) for name, cell in row.items()} for row in rows]
    table = Table(caption=f"{len(rows)} rows", caption_justify="left")
    columns = _columns(rows)
    if not columns:
        screen.print(Text(f"{len(rows)} rows"))
        return
    for name, *_ in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        # As Text, so that square brackets in a value are not taken for markup.
        table.add_row(*map(Text, row.values()))
    widest = [max(map(cell_len, column)) for column in columns]
    if sum(widest) + 3 * len(widest) + 1 <= screen.width:
        screen.print(table)
        return
    for number, row in enumerate(rows, start=1):
        screen.rule(f"row {number}", align="left")
        for name, value in row.items():
            screen.print(Text(f"{name}: {value}"), soft_wrap=True)


COMMAND = Command(run, arguments)
