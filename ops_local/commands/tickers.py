"""`ops tickers`: the securities that news may name, and those that are watched."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ops_local import summary
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_local.summary import Part
from ops_local.ticker_files import read_csv, read_sec
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import tickers, universe
from ops_pipeline.db.driver.connection import Database, Row, Transaction, target_from_url
from ops_pipeline.domain.news.security_import import ImportPlan, plan_import
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings
from ops_pipeline.stages import watching

Work = Callable[[Transaction], Any]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("tickers", help="import or look up what news may name")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    importing = actions.add_parser("import", help="add the securities of a file")
    importing.add_argument(
        "file", type=Path, help="SEC's company_tickers.json, or a CSV with ticker and name"
    )
    importing.set_defaults(run=_import)
    listing = actions.add_parser("list", help="those of a symbol or with a word in their names")
    listing.add_argument("word", nargs="?", help="all if left out, the watched ones first")
    listing.add_argument("--most", type=int, default=100, metavar="N", help="default 100")
    listing.add_argument("--json", action="store_true", help="print them as JSON")
    listing.set_defaults(run=_list)
    proposals = actions.add_parser("proposals", help="what discovery proposed and you decided")
    proposals.add_argument("--json", action="store_true", help="print them as JSON")
    proposals.set_defaults(run=_proposals)
    for name, told in (
        ("accept", "watch these from the next minute on; proposed or not"),
        ("reject", "watch these no more, and never propose them again"),
    ):
        deciding = actions.add_parser(name, help=told)
        deciding.add_argument("ticker", nargs="+", help="symbols")
        deciding.add_argument("--reason", required=True, help="why; kept in operator_actions")
        deciding.add_argument("--operator", metavar="NAME", help="who; the login name if left out")
        deciding.set_defaults(run=_decide, accepted=name == "accept")


def _import(args: argparse.Namespace) -> int:
    """Write all of the file or nothing; return 0, or 1 when it can't be read."""

    def work(tx: Transaction) -> dict[str, object]:
        plan = _plan(args.file, tx)
        return {"imported": tickers.write(tx, plan.securities), "skipped": plan.skipped}

    return _answered(args, work, lambda done: sys.stdout.write(json.dumps(done) + "\n"))


def _list(args: argparse.Namespace) -> int:
    return _answered(
        args,
        lambda tx: tickers.search(tx, args.word, most=args.most),
        lambda rows: _show("Securities", rows, as_json=args.json),
    )


def _proposals(args: argparse.Namespace) -> int:
    return _answered(args, universe.every, lambda rows: _show("Proposals", rows, as_json=args.json))


def _decide(args: argparse.Namespace) -> int:
    """Keep the decision with its reason; return 0, or 1 when a symbol is none or trades no more."""
    who = args.operator or args.variables.get("USER") or "operator"

    def work(tx: Transaction) -> dict[str, object]:
        return watching.decide(
            tx, args.ticker, accepted=args.accepted, operator=who, reason=args.reason, now=_now()
        )

    return _answered(args, work, lambda done: sys.stdout.write(json.dumps(done) + "\n"))


def _now() -> datetime:
    return WallClock().now()


def _show(title: str, rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
    else:
        summary.show(Console(highlight=False), [Part(title, list(rows))])


def _plan(file: Path, tx: Transaction) -> ImportPlan:
    """A CSV is a person's word and replaces what is known; SEC's list only adds to it."""
    if file.suffix.casefold() == ".csv":
        return ImportPlan(tuple(read_csv(file)))
    return plan_import(read_sec(file), tickers.all_securities(tx))


def _answered(args: argparse.Namespace, work: Work, show: Callable[[Any], object]) -> int:
    settings = read_settings(args.variables)
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    # The schema of a server of one's own is changed by `ops migrate` alone.
    name = None if settings.database_url else home.current_database
    migrations = None if settings.database_url else settings.migrations_dir
    try:
        with opened(home.folder, settings.database_url, migrations, name) as urls:
            database = Database(target_from_url(urls.writer), application_name="ops-tickers")
            with closing(database), database.transaction() as tx:
                done = work(tx)
    except (OpsError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    show(done)
    return 0
