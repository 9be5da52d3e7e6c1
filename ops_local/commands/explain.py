"""`ops explain [RECOMMENDATION]`: one trade, or one refusal, from its headlines to its result."""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from rich.console import Console

from ops_local import deployed, summary
from ops_local.commands.stores import reader_url
from ops_local.explain import records
from ops_local.explain.sections import Section, sections
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.errors import InvalidInput, OpsError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb. `args.variables` must hold the environment when `args.run(args)` is called."""
    parser = subparsers.add_parser("explain", help="tell one trade or refusal from start to end")
    parser.add_argument(
        "recommendation",
        type=int,
        nargs="?",
        metavar="RECOMMENDATION",
        help="its number in dispatch_recommendations; without it, the best story of the day",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--replay", metavar="NAME", help="a replay other than the last one")
    where.add_argument("--database-url", metavar="URL", help="a reader's login to a database")
    where.add_argument("--stack", metavar="NAME", help="a deployed stack's database")
    parser.add_argument("--json", action="store_true", help="print the rows behind it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 when it was told, 1 when there is nothing of that number."""
    try:
        with _reading(args) as tx:
            explained = _explained(tx, args.recommendation)
    except OpsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    if args.json:
        sys.stdout.write(json.dumps(explained.facts(), default=str) + "\n")
    else:
        show(Console(highlight=False), sections(explained))
    return 0


def show(console: Console, told: Sequence[Section]) -> None:
    """Print each section: its sentences, then its table."""
    for section in told:
        console.print()
        console.print(section.title, style="bold", markup=False)
        for sentence in section.sentences:
            for line in textwrap.wrap(sentence, min(console.width, 100)):
                console.print(line, markup=False)
        if section.rows:
            summary.show(console, [Part("", section.rows)])


@contextmanager
def _reading(args: argparse.Namespace) -> Iterator[Transaction]:
    if args.stack:
        yield deployed.TypedStackReader(args.stack)
        return
    with reader_url(args.variables, args.replay, args.database_url) as url:
        database = Database(target_from_url(url), application_name="ops-explain", read_only=True)
        with closing(database), database.transaction() as tx:
            yield tx


def _explained(tx: Transaction, recommendation: int | None) -> records.Explained:
    number = records.best(tx) if recommendation is None else recommendation
    if number is None:
        raise InvalidInput("this database holds no recommendation to explain")
    return records.explain(tx, number)
