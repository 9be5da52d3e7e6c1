"""`ops accounts`: which accounts there are, and the broker's accounts that they are bound to."""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_local.summary import Part
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.account_binding import BindCommand

_LIST = """
SELECT a.account_name AS account, a.broker, a.execution_mode AS mode, a.active,
       CASE WHEN a.execution_mode = 'SIMULATED' THEN 'needs none'
            WHEN b.account_name IS NULL THEN 'no: ops accounts bind'
            ELSE 'since ' || to_char(b.bound_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END AS bound,
       b.bound_by
FROM accounts AS a LEFT JOIN account_bindings AS b USING (account_name)
ORDER BY a.account_name COLLATE "C"
"""
_REASON = "ops accounts bind"
_QUESTION = "Bind what can be bound? Compare the numbers with your broker's page."

Bind = Callable[[BindCommand], list[dict[str, Any]]]


def _bind_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--account", metavar="A", help="one account")
    which.add_argument("--all", action="store_true", help="each that does not only simulate")
    parser.add_argument(
        "--number", metavar="N", help="with --account: its number, as its broker shows it"
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="with --number: the account was reset; what is open here closes without a price",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before binding")
    parser.add_argument("--reason", default=_REASON, help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _list(call: VerbCall) -> int:
    with call.target.reading("ops-accounts") as tx:
        call.announce(tx)
        rows = tx.rows(_LIST)
    call.print_parts([Part("Accounts", rows)])
    return Exit.GOOD


def _bind(call: VerbCall) -> int:
    """Compare, ask, bind; returns 1 when one is refused or none is bound in the end.

    With --all an account without keys is left out, and said to be so.
    """
    command = BindCommand(
        operator=call.operator,
        reason=call.args.reason,
        account=call.args.account,
        number=call.args.number,
        reset=call.args.reset,
    )
    if command.number is not None and command.account is None:
        raise UsageError("--number: say whose it is, with --account")
    if command.reset and command.number is None:
        raise UsageError("--reset: give the number of the new account, with --number")
    sys.stderr.write(f"{call.target.place('sets up').title}\n")
    if stack := call.target.stack:
        return _asked(call, command, lambda wish: _at_stack(stack, wish))
    with call.target.urls("sets up", call.settings.migrations_dir) as urls:
        variables = {**call.variables, **urls.variables()}
        with closing(Runtime(variables, WallClock())) as runtime:
            return _asked(call, command, lambda wish: runtime.binder.run(wish)["accounts"])


def _at_stack(stack: str, command: BindCommand) -> list[dict[str, Any]]:
    return list(deployed.call(stack, "control", {"action": "bind", **asdict(command)})["accounts"])


def _asked(call: VerbCall, command: BindCommand, bind: Bind) -> int:
    compared = bind(command)
    if any(row["state"] == "can be bound" for row in compared):
        if not call.json:
            call.print_parts([Part("What the keys open", compared)])
        if not confirmed(_QUESTION, yes=call.args.yes):
            sys.stderr.write("Nothing was bound.\n")
            return Exit.WRONG
        compared = bind(replace(command, confirm=True))
    call.print_parts([Part("Bindings", compared)])
    states = {row["state"] for row in compared}
    is_bound = states & {"bound", "bound already"}
    return Exit.GOOD if is_bound and "refused" not in states else Exit.WRONG


LIST = Command(_list)
BIND = Command(_bind, _bind_arguments)
