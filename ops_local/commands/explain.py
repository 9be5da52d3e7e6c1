"""`ops explain [RECOMMENDATION]`: one trade, or one refusal, from its headlines to its result."""

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from ops_local import deployed, summary
from ops_local.commandline.command import Call, Command
from ops_local.explain import records
from ops_local.explain.sections import Section, sections
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.errors import InvalidInput


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recommendation",
        type=int,
        nargs="?",
        metavar="RECOMMENDATION",
        help="its number in dispatch_recommendations; without it, the best story of the day",
    )


def run(call: Call) -> int:
    """Return 0 when it was told, 1 when there is nothing of that number."""
    with _reading(call) as tx:
        explained = _explained(tx, call.args.recommendation)
    if call.json:
        call.print_json(explained.facts())
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
def _reading(call: Call) -> Iterator[Transaction]:
    if call.target.stack:
        yield deployed.TypedStackReader(call.target.stack)
        return
    with call.target.reading("ops-explain") as tx:
        yield tx


def _explained(tx: Transaction, recommendation: int | None) -> records.Explained:
    number = records.best(tx) if recommendation is None else recommendation
    if number is None:
        raise InvalidInput("this database holds no recommendation to explain")
    return records.explain(tx, number)


COMMAND = Command(run, arguments)
