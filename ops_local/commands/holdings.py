"""`ops accounts adopt`: what becomes of what an account held before its first run."""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_local.commands.control import clock_of
from ops_pipeline.stages.operating.holding_adoption import (
    HOLDING_USES,
    HoldingAdoption,
    HoldingCommand,
)

_QUESTIONS = {
    "day_trade": "It is guarded with a stop, and sold before the session ends. Adopt it?",
    "swing": "It is guarded with a stop, and sold by the rules of a swing trade. Adopt it?",
    "left_alone": "What the broker holds of it besides is left alone as well. Is that right?",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", metavar="SYMBOL", help="as `ops status` shows it")
    parser.add_argument("--account", metavar="NAME", required=True, help="whose")
    parser.add_argument(
        "--as",
        dest="use",
        required=True,
        choices=HOLDING_USES,
        help="day_trade, swing: ours, guarded and sold; left_alone: more of it, as after a split",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before")
    parser.add_argument("--reason", default="ops accounts adopt", help="why; it is recorded")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _run(call: VerbCall) -> int:
    """Return 0 once it is done and recorded, 1 if the answer was no."""
    args = call.args
    command = HoldingCommand(
        operator=call.operator,
        reason=args.reason,
        account=args.account,
        symbol=args.symbol,
        use=args.use,
    )
    if not confirmed(_QUESTIONS[args.use], yes=args.yes):
        sys.stderr.write("Nothing was changed.\n")
        return Exit.WRONG
    done = _done(call, command)
    call.tell(done, (f"{done['account']}: {it}" for it in (*done["changed"], *done["notes"])))
    return Exit.GOOD


def _done(call: VerbCall, command: HoldingCommand) -> dict[str, Any]:
    if stack := call.target.stack:
        sys.stderr.write(f"{call.target.place('acts').title}\n")
        event = {"action": "adopt_holding", **asdict(command)}
        return deployed.call(stack, "control", event)
    migrations = None if call.settings.database_url else call.settings.migrations_dir
    with call.target.writing("ops-accounts", "acts", migrations) as database:
        with database.transaction() as tx:
            call.announce(tx, "acts")
            clock = clock_of(call, tx)
        return HoldingAdoption(db=database, clock=clock).run(command)


ADOPT = Command(_run, _arguments)
