"""`ops init`, `ops apply` and `ops config`: one file describes a deployment."""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.confirmation import confirmed
from ops_local.description import effective, file
from ops_local.description.state import read_state
from ops_local.description.template import render
from ops_local.summary import Part
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.deployment.named_accounts import FILE
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating.deployment_setup import ApplyCommand

Apply = Callable[[ApplyCommand], dict[str, Any]]


def _file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, default=Path(FILE), help=f"default {FILE}")


def _apply_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--plan", action="store_true", help="only show what would change")
    parser.add_argument(
        "--parameters",
        action="store_true",
        help="put the file's parameters in force, whatever put others there",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before applying")
    parser.add_argument("--reason", default="ops apply", help="why; recorded in operator_actions")
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _init(call: VerbCall) -> int:
    """Write the file from what the database says, or refuse to replace one."""
    path: Path = call.args.file
    if path.exists():
        raise InvalidInput(f"{path} is there already: edit it, or give another name with --file")
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}")
    with call.target.reading("ops-config", "sets up", _migrations(call)) as tx:
        call.announce(tx, "sets up")
        text = render(read_state(tx))
    with path.open("x", encoding="utf-8") as written:
        written.write(text)
    call.tell({"written": str(path)}, [f"written: {path}"])
    sys.stderr.write(f"`ops apply --plan{_given(path)}` shows what it would change\n")
    return Exit.GOOD


def _given(path: Path) -> str:
    """The option that names this file to the next verb; empty for the usual one."""
    return "" if path == Path(FILE) else f" --file {path}"


def _migrations(call: VerbCall) -> Path | None:
    """On the user's own server only `ops migrate` changes the schema."""
    return None if call.settings.database_url else call.settings.migrations_dir


def _apply(call: VerbCall) -> int:
    """Show, ask, apply; returns 0 also where there is nothing to do."""
    values = file.read(call.args.file)
    file.require_same_accounts(call.args.file, values)
    command = ApplyCommand(
        operator=call.operator,
        reason=call.args.reason,
        file=values,
        parameters=call.args.parameters,
        file_name=str(call.args.file),
    )
    sys.stderr.write(f"{call.target.place('sets up').title}\n")
    if stack := call.target.stack:
        return _asked(call, command, lambda given: _at_stack(stack, given))
    with call.target.urls("sets up", _migrations(call)) as urls:
        _ensure_parameters(call, urls.owner)
        variables = {**call.variables, **urls.variables()}
        with closing(Runtime(variables, call.clock)) as runtime:
            return _asked(call, command, runtime.deployment_setup.run)


def _ensure_parameters(call: VerbCall, owner_url: str) -> None:
    """A database that was just made has none in force, and the file's stand on the defaults."""
    owner = Database(target_from_url(owner_url), application_name="ops-apply")
    with closing(owner), owner.transaction() as tx:
        default_parameters.ensure(tx, now=call.clock.now())


def _at_stack(stack: str, command: ApplyCommand) -> dict[str, Any]:
    return deployed.call(stack, "control", {"action": "apply", **asdict(command)})


def _asked(call: VerbCall, command: ApplyCommand, apply: Apply) -> int:
    plan = apply(command)
    if call.args.plan or not plan["changed"]:
        _show(call, plan, "Would change")
        return Exit.GOOD
    if not call.json:
        _show(call, plan, "Would change")
    if not confirmed("Apply this?", yes=call.args.yes):
        sys.stderr.write("Nothing was changed.\n")
        return Exit.WRONG
    done = apply(replace(command, confirm=True, shown=plan["changed"]))
    _show(call, done, "Changed", notes=done["notes"] != plan["notes"])
    return Exit.GOOD


def _show(call: VerbCall, found: dict[str, Any], title: str, *, notes: bool = True) -> None:
    if call.json:
        call.print_json(found)
        return
    lines = [f"{title}:", *(f"  {each}" for each in found["changed"])]
    if not found["changed"]:
        lines = ["nothing to do"]
    lines += [f"note: {each}" for each in found["notes"]] if notes else []
    sys.stdout.write("\n".join(lines) + "\n")


def _config(call: VerbCall) -> int:
    """Print every value in force and where it comes from."""
    with call.target.reading("ops-config") as tx:
        call.announce(tx)
        state = read_state(tx)
    here = None if call.target.stack else call.variables
    parts = [Part("Deployment", effective.described(state, here))]
    if here is None:
        sys.stderr.write("The functions' environment is chosen by CDK's context: docs/operations\n")
    else:
        parts.append(Part("Environment", effective.environment(here)))
    call.print_parts(parts)
    return Exit.GOOD


INIT = Command(_init, _file_argument)
APPLY = Command(_apply, _apply_arguments)
CONFIG = Command(_config)
