"""`ops accounts`: which accounts there are and what they are bound to; binds and sets them up."""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_local.commands.control import clock_of
from ops_local.summary import Part
from ops_pipeline.domain.deployment.account_limits import LIMITS
from ops_pipeline.domain.deployment.modes import MODES
from ops_pipeline.runtime.registry import ALPACA, broker_named
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.account_binding import BindCommand
from ops_pipeline.stages.operating.account_setup import (
    AccountAction,
    AccountCommand,
    AccountSetup,
)

_LIST = """
SELECT a.account_name AS account, a.broker, a.execution_mode AS mode, a.active,
       CASE WHEN a.execution_mode = 'SIMULATED' THEN 'needs none'
            WHEN b.account_name IS NULL THEN 'no: ops accounts bind'
            ELSE 'since ' || to_char(b.bound_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END AS bound,
       b.bound_by
FROM accounts AS a LEFT JOIN account_bindings AS b USING (account_name)
ORDER BY a.account_name COLLATE "C"
"""
_LIMITS = f"""
SELECT account_name AS account, {", ".join(f"{name} AS {name[4:]}" for name in LIMITS)}
FROM accounts ORDER BY account_name COLLATE "C"
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
        parts = [Part("Accounts", tx.rows(_LIST)), Part("Limits", tx.rows(_LIMITS))]
    call.print_parts(parts)
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
        return _asked(call, command, lambda given: _at_stack(stack, given))
    with call.target.urls("sets up", call.settings.migrations_dir) as urls:
        variables = {**call.variables, **urls.variables()}
        with closing(Runtime(variables, call.clock)) as runtime:
            return _asked(call, command, lambda given: runtime.binder.run(given)["accounts"])


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


def _who(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--reason", default=f"ops accounts {verb}", help="why; it is recorded")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="NAME", help="small letters, digits and _")
    parser.add_argument("limits", nargs="*", metavar="LIMIT=VALUE", help=", ".join(LIMITS))
    parser.add_argument("--broker", default=ALPACA, metavar="B", help="default alpaca")
    parser.add_argument("--mode", default=MODES[0], choices=MODES, help="default paper")
    _who(parser, "add")


def _switch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="NAME")
    parser.add_argument("to", choices=("on", "off"), help="off: no new entries")
    _who(parser, "switch")


def _limits_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="NAME")
    parser.add_argument("limits", nargs="+", metavar="LIMIT=VALUE", help=", ".join(LIMITS))
    _who(parser, "limits")


def _setting_up(action: AccountAction) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Return 0 once it is done and recorded, 1 if it was so before."""
        args = call.args
        given: dict[str, Any] = {"limits": _limits_of(getattr(args, "limits", []))}
        if action == "add_account":
            given |= {"broker": args.broker, "mode": args.mode}
        if action == "switch_account":
            given["on"] = args.to == "on"
        done = _set_up(
            call,
            AccountCommand(
                action=action,
                operator=call.operator,
                reason=args.reason,
                account=args.account,
                **given,
            ),
        )
        return _told(call, done)

    return run


def _limits_of(words: list[str]) -> dict[str, str]:
    """LIMIT=VALUE as a dictionary; whether it is a limit is judged where it is changed."""
    limits = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise UsageError(f"{word}: write LIMIT=VALUE, for example max_positions=3")
        limits[name] = value
    return limits


def _set_up(call: VerbCall, command: AccountCommand) -> dict[str, Any]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('sets up').title}\n")
        return deployed.call(target.stack, "control", asdict(command))
    with target.writing("ops-accounts", "sets up", _migrations(call)) as database:
        with database.transaction() as tx:
            call.announce(tx, "sets up")
            clock = clock_of(call, tx)
        return AccountSetup(db=database, knows_broker=broker_named, clock=clock).run(command)


def _migrations(call: VerbCall) -> Path | None:
    """On the user's own server only `ops migrate` changes the schema."""
    return None if call.settings.database_url else call.settings.migrations_dir


def _told(call: VerbCall, done: dict[str, Any]) -> int:
    """Say what changed and what is left to do, a line each."""
    call.tell(done, (f"{done['account']}: {it}" for it in (*done["changed"], *done["notes"])))
    if done["changed"]:
        return Exit.GOOD
    sys.stderr.write("nothing was changed\n")
    return Exit.WRONG


LIST = Command(_list)
BIND = Command(_bind, _bind_arguments)
ADD = Command(_setting_up("add_account"), _add_arguments)
SWITCH = Command(_setting_up("switch_account"), _switch_arguments)
LIMITS_OF = Command(_setting_up("limit_account"), _limits_arguments)
