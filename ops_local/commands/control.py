"""`ops halt`, `ops resume`, `ops close`: an operator's actions, recorded with the reason."""

import argparse
import sys
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
        """Return 0 once it is recorded, 1 if it touched nothing or nobody will carry it out."""
        command = ControlCommand(
            action=action,
            operator=call.operator,
            reason=call.args.reason,
            account=call.args.account,
            ticker=call.args.ticker if action == "close" else None,
        )
        done = _done(call, command)
        call.print_json(done)
        if not any(done[name] for name in _TOUCHED[action]):
            sys.stderr.write(f"nothing to {action}: the record of it is all that was written\n")
            return 1
        return _carried_out(call) if action == "close" else 0

    return run


def _done(call: VerbCall, command: ControlCommand) -> dict[str, object]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        return deployed.call(target.stack, "control", asdict(command))
    with target.writing("ops-control") as database:
        with database.transaction() as tx:
            call.announce(tx, "acts")
        return control.run(command, db=database, clock=WallClock())


def _carried_out(call: VerbCall) -> int:
    """The position manager sells and cancels: say so if none runs on this machine."""
    place, home = call.target.place("acts"), call.home
    wanted = place.name if place.kind == "replay" else None
    if place.name is None or (home.is_up and home.playing == wanted):
        return 0
    sys.stderr.write(
        f"nobody is there to carry it out: no `ops up` runs in {home.folder}; "
        "it is done once one does\n"
    )
    return 1


# What each action's result counts as touched.
_TOUCHED: dict[Action, tuple[str, ...]] = {
    "halt": ("halted",),
    "resume": ("resumed",),
    "close": ("exits_asked", "entries_cancelled", "recommendations_cancelled"),
}
HALT = Command(_run("halt"), _arguments)
RESUME = Command(_run("resume"), _arguments)
CLOSE = Command(_run("close"), _close_arguments)
