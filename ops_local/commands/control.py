"""`ops halt`, `ops resume`, `ops close`: an operator's actions, recorded with the reason."""

import argparse
from collections.abc import Callable
from dataclasses import asdict

from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.stages import control
from ops_pipeline.stages.control import Action, ControlCommand


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="A", help="one account; all if omitted")
    parser.add_argument("--reason", required=True, help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _close_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--ticker", metavar="T", help="only this one; all if omitted")


def _run(action: Action) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Return 0 once it is done and recorded."""
        command = ControlCommand(
            action=action,
            operator=call.operator,
            reason=call.args.reason,
            account=call.args.account,
            ticker=call.args.ticker if action == "close" else None,
        )
        call.print_json(_done(call, command))
        return 0

    return run


def _done(call: VerbCall, command: ControlCommand) -> dict[str, object]:
    if call.target.stack:
        return deployed.call(call.target.stack, "control", asdict(command))
    with call.target.writing("ops-control") as database:
        return control.run(command, db=database, clock=WallClock())


HALT = Command(_run("halt"), _arguments)
RESUME = Command(_run("resume"), _arguments)
CLOSE = Command(_run("close"), _close_arguments)
