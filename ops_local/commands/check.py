"""`ops check`: tries what a trading day needs, one thing after the other, and changes nothing.

With --order it also places one order that cannot fill, on paper, and cancels it.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ops_local.checking import asking, order, tries
from ops_local.checking.asking import Ask
from ops_local.checking.tries import Known
from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.target import Purpose
from ops_pipeline.db import accounts, feeds, schema
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.deployment.findings import CheckResult
from ops_pipeline.errors import InvalidInput, OpsError
from ops_pipeline.execution.isolation import in_words
from ops_pipeline.runtime import log

_SIZE = "SELECT pg_database_size(current_database()) AS bytes"
_MARKS = {"good": "ok", "note": "note", "bad": "BAD"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--order",
        metavar="ACCOUNT",
        help="place one order that cannot fill, on paper, look at it and cancel it",
    )
    parser.add_argument(
        "--ticker", default="SPY", metavar="T", help="with --order: of which; SPY if omitted"
    )
    parser.add_argument(
        "--transcript", type=Path, metavar="FILE", help="with --order: where it is kept"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before sending the order")
    parser.add_argument("--reason", default="ops check", help="why; recorded with the order")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _run(call: VerbCall) -> int:
    """Return 0 if nothing is bad, else 1."""
    if call.args.order is None and (call.args.yes or call.args.transcript):
        raise UsageError("--yes, --transcript: they belong to --order")
    with log.written_to(io.StringIO()), _asking(call) as ask:
        if call.args.order is not None:
            return order.run(call, ask)
        return _try_all(call, ask)


@contextmanager
def _asking(call: VerbCall) -> Iterator[Ask]:
    """The functions of the stack, or those of this process on the live pipeline's database."""
    target = call.target
    if stack := target.stack:
        sys.stderr.write(f"{target.place('reads').title}\n")
        yield asking.at_stack(stack)
        return
    purpose: Purpose = "acts" if call.args.order else "reads"
    place = target.place(purpose)
    sys.stderr.write(f"{place.title}\n")
    if place.kind == "replay":
        raise InvalidInput("a replay has no broker to try: set an account's keys first")
    if call.settings.database_url:
        # Its login suffices, or each group's is named beside it.
        yield asking.in_process(call.variables, call.clock)
        return
    with target.urls(purpose) as urls:
        yield asking.in_process({**call.variables, **urls.variables()}, call.clock)


def _try_all(call: VerbCall, ask: Ask) -> int:
    """Try everything; each line is printed when it is known."""
    found: list[CheckResult] = []
    known = _known(call, found)
    folder = None if call.target.stack else call.home.folder
    for result in found:
        _show(call, result)
    for subject, work in tries.all_tries(ask, known, folder):
        for result in asking.tried(subject, work):
            _show(call, result)
            found.append(result)
    if call.json:
        call.print_json({"checks": [asdict(result) for result in found]})
    bad = sum(result.verdict == "bad" for result in found)
    sys.stderr.write(f"{bad or 'nothing'} bad, {len(found)} checked\n")
    return Exit.WRONG if bad else Exit.GOOD


def _known(call: VerbCall, found: list[CheckResult]) -> Known:
    """What there is to try; where the database does not say, that is the first thing found."""
    try:
        with call.target.reading("ops-check") as tx:
            schema.require_current(tx)
            return _read(tx)
    except (OpsError, OSError) as error:
        found.append(CheckResult("bad", "database", in_words(error), "`ops migrate`"))
        return Known((), (), (), 0)


def _read(tx: Transaction) -> Known:
    size = tx.one(_SIZE)
    return Known(
        accounts=accounts.all_names(tx),
        feeds=feeds.every(tx),
        altered=overview.altered_logins(tx),
        size=int(size["bytes"]) if size else 0,
    )


def _show(call: VerbCall, result: CheckResult) -> None:
    if call.json:
        return
    sys.stdout.write(f"{_MARKS[result.verdict]:<6} {result.subject}: {result.found}\n")
    if result.todo:
        sys.stdout.write(f"       -> {result.todo}\n")
    sys.stdout.flush()


COMMAND = Command(_run, _arguments)
