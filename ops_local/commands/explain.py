"""`ops explain [RECOMMENDATION]`: one trade or one refusal, from its headlines to its result."""

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from ops_local import deployed, summary
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.numbers import at_least_one
from ops_local.explain import records
from ops_local.explain.sections import Section, sections
from ops_local.summary import Part
from ops_local.terminal import terminal
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.errors import InvalidInput


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recommendation",
        type=at_least_one,
        nargs="?",
        metavar="RECOMMENDATION",
        help="its id in dispatch_recommendations; if omitted, the one that shows most",
    )


def run(call: VerbCall) -> int:
    """Return 0, or 1 if there is no such recommendation."""
    with _reading(call) as tx:
        call.announce(tx)
        explained = _explained(tx, call.args.recommendation)
    if call.json:
        call.print_json(explained.facts())
    else:
        show(terminal(), sections(explained))
    return 0


def show(console: Console, parts: Sequence[Section]) -> None:
    """Print each section: its sentences, then its table."""
    for section in parts:
        console.print()
        console.print(section.title, style="bold", markup=False)
        for sentence in section.sentences:
            for line in textwrap.wrap(sentence, min(console.width, 100)):
                console.print(line, markup=False)
        if section.rows:
            summary.show(console, [Part("", section.rows)])


@contextmanager
def _reading(call: VerbCall) -> Iterator[Transaction]:
    if call.target.stack:
        yield deployed.TypedStackReader(call.target.stack)
        return
    with call.target.reading("ops-explain") as tx:
        yield tx


def _explained(tx: Transaction, recommendation: int | None) -> records.Explained:
    number = records.best(tx) if recommendation is None else recommendation
    if number is None:
        raise InvalidInput("this database has no recommendation to explain")
    return records.explain(tx, number)


COMMAND = Command(run, arguments)
