"""`ops halt`, `ops resume`, `ops close`: what an operator does by hand, with the reason kept."""

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from ops_local import deployed
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings
from ops_pipeline.stages import control
from ops_pipeline.stages.control import Action, ControlCommand

_SOMEBODY = "operator"


def add_halt(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add(subparsers, "halt", "stop new entries; exits go on")


def add_resume(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add(subparsers, "resume", "let entries in again, and count losing streaks anew")


def add_close(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _add(subparsers, "close", "sell what is held, cancel what is being bought")
    parser.add_argument("--ticker", metavar="T", help="only this one; all if left out")


def run(args: argparse.Namespace) -> int:
    """Return 0 when it is done and recorded, 1 when not."""
    command = ControlCommand(
        action=args.action,
        operator=args.operator or args.variables.get("USER") or _SOMEBODY,
        reason=args.reason,
        account=args.account,
        ticker=getattr(args, "ticker", None),
    )
    try:
        done = _at_stack(args.stack, command) if args.stack else _here(args.variables, command)
    except OpsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


def _here(variables: Mapping[str, str], command: ControlCommand) -> dict[str, object]:
    settings = read_settings(variables)
    home = Home(Path(variables.get("OPS_HOME", DEFAULT)))
    name = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, None, name) as urls:
        database = Database(target_from_url(urls.writer), application_name="ops-control")
        with closing(database):
            return control.run(command, db=database, clock=WallClock())


def _at_stack(stack: str, command: ControlCommand) -> dict[str, object]:
    return deployed.call(stack, "control", asdict(command))


def _add(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", action: Action, told: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(action, help=told)
    parser.add_argument("--stack", metavar="NAME", help="a deployed stack's accounts")
    parser.add_argument("--account", metavar="A", help="one account; all if left out")
    parser.add_argument("--reason", required=True, help="why; kept in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if left out")
    parser.set_defaults(run=run, action=action)
    return parser
