"""`ops tickers`: the securities that news may mention, and those that are watched."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.numbers import at_least_one
from ops_local.commandline.target import Purpose
from ops_local.commands.control import clock_of
from ops_local.summary import Part
from ops_local.ticker_files import read_csv, read_sec
from ops_pipeline.db import tickers, universe
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.news.security_import import ImportPlan, plan_import
from ops_pipeline.stages.operating import watching
from ops_pipeline.stages.operating.watching import TickersChange, TickersCommand

_NAME_IT = "give it one with ops tickers add --name, or import a list"

_SAID = {
    "add": "watched from now on",
    "accept": "watched from now on",
    "remove": "not watched any more",
    "reject": "not watched, and never proposed again",
}
_LISTED = ("ticker", "name", "exchange", "kind", "is_watched", "renamed_to")


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="SEC's company_tickers.json, or a CSV with ticker and name"
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", help="all if omitted, the watched ones first")
    parser.add_argument("--most", type=at_least_one, default=100, metavar="N", help="default 100")


def _decide_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticker", nargs="+", help="symbols")
    parser.add_argument("--reason", required=True, help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _decide_arguments(parser)
    parser.add_argument("--name", help="with one symbol: the company's, as news writes it")


def _import(call: VerbCall) -> int:
    """Import the whole file or nothing."""
    # Read before the unit of work: an error of the file is not one of the connection.
    plan_of = _plans(call.args.file)
    with _writing(call) as tx:
        plan = plan_of(tx)
        done = {"imported": tickers.write(tx, plan.securities), "skipped": plan.skipped}
        tickers.set_ciks(tx, plan.ciks)
    call.tell(done, _imported(done))
    return 0


def _imported(done: Mapping[str, Any]) -> Iterator[str]:
    yield f"imported: {done['imported']}"
    for symbol, reason in done["skipped"].items():
        yield f"skipped: {symbol}: {reason}"


def _list(call: VerbCall) -> int:
    with _reading(call) as tx:
        rows = tickers.search(tx, call.args.word, most=call.args.most)
    # A terminal has room for these; --json has all.
    shown = rows if call.json else [{name: row[name] for name in _LISTED} for row in rows]
    return _show(call, "Securities", shown)


def _proposals(call: VerbCall) -> int:
    with _reading(call) as tx:
        rows = universe.every(tx)
    return _show(call, "Proposals", rows)


def _change(change: TickersChange) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Record the decision with its reason; 1 where nothing changed."""
        command = TickersCommand(
            change=change,
            operator=call.operator,
            reason=call.args.reason,
            tickers=call.args.ticker,
            name=getattr(call.args, "name", None),
        )
        done = _done(call, command)
        call.tell(done, (f"{symbol}: {_SAID[change]}" for symbol in done["changed"]))
        for symbol in done["without_name"]:
            sys.stderr.write(f"no name of {symbol} is known, so no news finds it: {_NAME_IT}\n")
        if done["changed"]:
            return Exit.GOOD
        sys.stderr.write("nothing changed\n")
        return Exit.WRONG

    return run


def _done(call: VerbCall, command: TickersCommand) -> dict[str, Any]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        changes = {"change": command.change, "tickers": command.tickers, "name": command.name}
        event = {"operator": command.operator, "reason": command.reason, "tickers": changes}
        return deployed.call(target.stack, "control", {"action": "tickers", **event})
    # What is to be taken off, or was proposed, is in a pipeline that is there.
    purpose: Purpose = "sets up" if command.change == "add" else "acts"
    with target.writing("ops-tickers", purpose, _migrations(call)) as database:
        with database.transaction() as tx:
            call.announce(tx, purpose)
            clock = clock_of(call, tx)
        return watching.run(command, db=database, clock=clock)


def _migrations(call: VerbCall) -> Path | None:
    """On the user's own server only `ops migrate` changes the schema."""
    return None if call.settings.database_url else call.settings.migrations_dir


@contextmanager
def _writing(call: VerbCall) -> Iterator[Transaction]:
    with (
        call.target.writing("ops-tickers", "sets up", _migrations(call)) as database,
        database.transaction() as tx,
    ):
        call.announce(tx, "sets up")
        yield tx


@contextmanager
def _reading(call: VerbCall) -> Iterator[Transaction]:
    with call.target.reading("ops-tickers") as tx:
        call.announce(tx)
        yield tx


def _show(call: VerbCall, title: str, rows: Sequence[Row]) -> int:
    if call.json:
        call.print_json(rows)
    else:
        call.print_parts([Part(title, list(rows))])
    return 0


def _plans(file: Path) -> Callable[[Transaction], ImportPlan]:
    """A CSV is the user's choice and replaces what is stored; SEC's list only adds to it."""
    if file.suffix.casefold() == ".csv":
        chosen = ImportPlan(tuple(read_csv(file)))
        return lambda _tx: chosen
    listed = read_sec(file)
    return lambda tx: plan_import(listed, tickers.all_securities(tx))


IMPORT = Command(_import, _import_arguments)
LIST = Command(_list, _list_arguments)
PROPOSALS = Command(_proposals)
ADD = Command(_change("add"), _add_arguments)
REMOVE = Command(_change("remove"), _decide_arguments)
ACCEPT = Command(_change("accept"), _decide_arguments)
REJECT = Command(_change("reject"), _decide_arguments)
