"""`ops halt` and `ops resume`: an operator's actions, recorded with the reason."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.ports import Clock
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand


@dataclass(frozen=True, slots=True)
class _ReplayMoment:
    """The present of a replay, which any clock on the wall would put behind all its orders."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def arguments(parser: argparse.ArgumentParser, reason: str | None = None) -> None:
    """What each action takes.

    Args:
        reason: Stands where none is given; None requires one.
    """
    parser.add_argument("--account", metavar="A", help="one account; all if omitted")
    parser.add_argument(
        "--reason",
        required=reason is None,
        default=reason,
        help="why; recorded in operator_actions",
    )
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def clock_of(call: VerbCall, tx: Transaction | None) -> Clock:
    """The clock by which an action happens: a replay's own, else the wall's."""
    if tx is not None and call.target.place("acts").kind == "replay":
        return _ReplayMoment(call.target.present(tx))
    return call.clock


def _resume_arguments(parser: argparse.ArgumentParser) -> None:
    arguments(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before resuming all")


def _run(action: Literal["halt", "resume"]) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Return 0 once it is recorded, 1 if it touched nothing or entries stay halted."""
        command = ControlCommand(
            action=action,
            operator=call.operator,
            reason=call.args.reason,
            account=call.args.account,
        )
        if action == "resume" and not _confirmed(call):
            sys.stderr.write("Nothing was resumed.\n")
            return 1
        done = _done(call, command)
        call.tell(done, (f"{account}: {_SAID[action]}" for account in done[_TOUCHED[action]]))
        if not done[_TOUCHED[action]]:
            sys.stderr.write(f"nothing to {action}: the record of it is all that was written\n")
            return 1
        return _tell_of_halts(done)

    return run


def _tell_of_halts(done: Mapping[str, object]) -> int:
    """Name the accounts that a resume left halted; returns 1 if there are any."""
    still = done.get("still_halted")
    if not isinstance(still, Mapping) or not still:
        return 0
    for account, why in sorted(still.items()):
        sys.stderr.write(f"{account} stays halted: {why}\n")
    return 1


def _confirmed(call: VerbCall) -> bool:
    """Ask on a terminal before all accounts are resumed; a script has decided."""
    if call.args.account is not None:
        return True
    question = "Entries of all accounts would be let in again. Resume them?"
    return confirmed(question, yes=call.args.yes)


def _done(call: VerbCall, command: ControlCommand) -> dict[str, Any]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        return deployed.call(target.stack, "control", {**asdict(command), "confirm": True})
    with target.writing("ops-control") as database:
        with database.transaction() as tx:
            call.announce(tx, "acts")
            clock = clock_of(call, tx)
        return control.run(command, db=database, clock=clock)


# What each action's result counts as touched.
_TOUCHED = {"halt": "halted", "resume": "resumed"}
_SAID = {"halt": "entries are halted, exits continue", "resume": "the operator's halt is over"}
HALT = Command(_run("halt"), arguments)
RESUME = Command(_run("resume"), _resume_arguments)
