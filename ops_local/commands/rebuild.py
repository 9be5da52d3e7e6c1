"""`ops rebuild`: fills an empty database from the brokers, halted until `ops resume`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_local.summary import Part
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.runtime import log
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.rebuilding import RebuildCommand

_FOUND, _DONE = "What the brokers have", "Rebuilt"
_WHOSE = ("account", "broker", "mode", "number", "limits")
# More columns than these would leave none of them room to be read.
_TABLES = {
    _FOUND: (
        (_FOUND, ("account", "state", "positions", "resting_orders", "illegible")),
        ("Accounts", _WHOSE),
    ),
    _DONE: (
        (_DONE, ("account", "state", "adopted", "unsettled", "illegible", "agreed")),
        ("Accounts", _WHOSE),
    ),
}

Rebuild = Callable[[RebuildCommand], list[dict[str, Any]]]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="A", help="one account; all if omitted")
    parser.add_argument("--reason", required=True, help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")
    parser.add_argument("--yes", action="store_true", help="do not ask before it is done")


def _run(call: VerbCall) -> int:
    """Show, ask, rebuild; returns 1 when an account was refused or nothing was rebuilt."""
    command = RebuildCommand(
        operator=call.operator, reason=call.args.reason, account=call.args.account
    )
    sys.stderr.write(f"{call.target.place('sets up').title}\n")
    if stack := call.target.stack:
        return _asked(call, command, lambda given: _at_stack(stack, given))
    with call.target.urls("sets up", call.settings.migrations_dir) as urls:
        _put_parameters_in_force(call, urls.owner)
        variables = {**call.variables, **urls.variables()}
        with closing(Runtime(variables, call.clock)) as runtime, log.written_to(sys.stderr):
            return _asked(call, command, lambda given: runtime.rebuilder.run(given)["accounts"])


def _at_stack(stack: str, command: RebuildCommand) -> list[dict[str, Any]]:
    event = {"action": "rebuild", **asdict(command)}
    return list(deployed.call(stack, "control", event)["accounts"])


def _put_parameters_in_force(call: VerbCall, owner_url: str) -> None:
    """An empty database has none; one that has some keeps them."""
    owner = Database(target_from_url(owner_url), application_name="ops-rebuild")
    with closing(owner), owner.transaction() as tx:
        default_parameters.ensure(tx, now=call.clock.now())


def _show(call: VerbCall, title: str, found: list[dict[str, Any]]) -> None:
    """All of it as JSON; to a person as two tables that fit a terminal, and the refusals."""
    if call.json:
        call.print_parts([Part(title, found)])
        return
    call.print_parts([Part(name, _columns(found, columns)) for name, columns in _TABLES[title]])
    for row in found:
        if row["why"]:
            sys.stderr.write(f"{row['account']} is {row['state']}: {row['why']}\n")


def _columns(found: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in found]


def _asked(call: VerbCall, command: RebuildCommand, rebuild: Rebuild) -> int:
    found = rebuild(command)
    if not any(row["state"] == "can be rebuilt" for row in found):
        _show(call, _FOUND, found)
        sys.stderr.write("Nothing was rebuilt, and no entries were halted.\n")
        return _exit_code(found)
    if not call.json:
        _show(call, _FOUND, found)
    if not confirmed("Halt entries and adopt this?", yes=call.args.yes):
        sys.stderr.write("Nothing was changed.\n")
        return Exit.WRONG
    found = rebuild(replace(command, confirm=True))
    _show(call, _DONE, found)
    sys.stderr.write(
        "Entries are halted. Compare positions and limits with your broker's page; "
        "`ops resume` lets entries in once ledger and broker agree.\n"
    )
    return _exit_code(found)


def _exit_code(found: list[dict[str, Any]]) -> Exit:
    states = {row["state"] for row in found}
    is_done = states & {"rebuilt", "only simulates"}
    return Exit.GOOD if is_done and "refused" not in states else Exit.WRONG


COMMAND = Command(_run, _arguments)
