"""`ops explain [RECOMMENDATION]`: one trade or one refusal, from its headlines to its result."""

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from ops_local import deployed, summary
from ops_local.commandline.command import Command, Exit, VerbCall
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
    """Return 0, or 1 if there is no such recommendation or a part of it cannot be read."""
    with _reading(call) as tx:
        call.announce(tx)
        explained = _explained(call, tx)
    told = sections(explained)
    if call.json:
        call.print_json(explained.facts())
    else:
        show(terminal(), told)
    return Exit.GOOD if all(section.is_known for section in told) else Exit.WRONG


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


def _explained(call: VerbCall, tx: Transaction) -> records.Explained:
    asked = call.args.recommendation
    number = records.best(tx) if asked is None else asked
    if number is None:
        raise InvalidInput(f"this database has no recommendation to explain{_others(call)}")
    return records.explain(tx, number)


def _others(call: VerbCall) -> str:
    """Where there are some, for somebody who played a day before the pipeline was set up."""
    place = call.target.place()
    if place.kind != "live" or place.server is not None or not (names := call.home.replay_names()):
        return ""
    return f" yet; a replay has some: --replay {call.home.current_replay or names[-1]}"


COMMAND = Command(run, arguments)
