"""`ops tickers`: the securities that news may mention, and those that are watched."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops_local.commandline.command import Command, VerbCall
from ops_local.summary import Part
from ops_local.ticker_files import read_csv, read_sec
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import tickers, universe
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.news.security_import import ImportPlan, plan_import
from ops_pipeline.stages import watching


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="SEC's company_tickers.json, or a CSV with ticker and name"
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", help="all if omitted, the watched ones first")
    parser.add_argument("--most", type=int, default=100, metavar="N", help="default 100")


def _decide_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticker", nargs="+", help="symbols")
    parser.add_argument("--reason", required=True, help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _import(call: VerbCall) -> int:
    """Import the whole file or nothing."""
    with _writing(call) as tx:
        plan = _plan(call.args.file, tx)
        done = {"imported": tickers.write(tx, plan.securities), "skipped": plan.skipped}
        tickers.set_ciks(tx, plan.ciks)
    call.print_json(done)
    return 0


def _list(call: VerbCall) -> int:
    with _writing(call) as tx:
        rows = tickers.search(tx, call.args.word, most=call.args.most)
    return _show(call, "Securities", rows)


def _proposals(call: VerbCall) -> int:
    with _writing(call) as tx:
        rows = universe.every(tx)
    return _show(call, "Proposals", rows)


def _decide(*, accepted: bool) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Record the decision with its reason; invalid and inactive symbols are refused."""
        with _writing(call) as tx:
            done = watching.decide(
                tx,
                call.args.ticker,
                accepted=accepted,
                operator=call.operator,
                reason=call.args.reason,
                now=WallClock().now(),
            )
        call.print_json(done)
        return 0

    return run


@contextmanager
def _writing(call: VerbCall) -> Iterator[Transaction]:
    settings = call.settings
    # On the user's own server only `ops migrate` changes the schema.
    migrations = None if settings.database_url else settings.migrations_dir
    with (
        call.target.writing("ops-tickers", migrations) as database,
        database.transaction() as tx,
    ):
        yield tx


def _show(call: VerbCall, title: str, rows: Sequence[Row]) -> int:
    if call.json:
        call.print_json(rows)
    else:
        call.print_parts([Part(title, list(rows))])
    return 0


def _plan(file: Path, tx: Transaction) -> ImportPlan:
    """A CSV is the user's choice and replaces what is stored; SEC's list only adds to it."""
    if file.suffix.casefold() == ".csv":
        return ImportPlan(tuple(read_csv(file)))
    return plan_import(read_sec(file), tickers.all_securities(tx))


IMPORT = Command(_import, _import_arguments)
LIST = Command(_list, _list_arguments)
PROPOSALS = Command(_proposals)
ACCEPT = Command(_decide(accepted=True), _decide_arguments)
REJECT = Command(_decide(accepted=False), _decide_arguments)
