"""`ops invoke STAGE --event JSON`: one handler, as the Lambda console would call it."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from infra.definitions import load_functions
from ops_local import deployed
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_local.pipeline import Pipeline
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.settings import read_settings
from ops_pipeline.runtime.wiring import Runtime


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("invoke", help="call one function with an event")
    parser.add_argument("stage", choices=sorted(load_functions()), metavar="STAGE")
    parser.add_argument("--event", default="{}", metavar="JSON", help="the event, {} if left out")
    parser.add_argument("--stack", metavar="NAME", help="the function of a deployed stack")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the result, or Lambda's error object; return 0, 1 for an error, 2 for no JSON."""
    try:
        event = json.loads(args.event)
    except ValueError as error:
        sys.stderr.write(f"--event is no JSON: {error}\n")
        return 2
    if args.stack:
        return _print(lambda: deployed.call(args.stack, args.stage, event))
    with log.written_to(sys.stderr):
        return _invoke(args, event)


def _print(invoke: Callable[[], object]) -> int:
    try:
        answer = invoke()
    except Exception as error:  # noqa: BLE001 - Lambda reports whatever a handler raises
        failed = {"errorType": type(error).__name__, "errorMessage": str(error)}
        sys.stdout.write(json.dumps(failed) + "\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _invoke(args: argparse.Namespace, event: object) -> int:
    settings = read_settings(args.variables)
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    database = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, settings.migrations_dir, database) as urls:
        variables = {
            **args.variables,
            "DATABASE_URL": urls.writer,
            "DATABASE_OWNER_URL": urls.owner,
            "DATABASE_READER_URL": urls.reader,
        }
        wiring.use(Runtime(variables, WallClock(), owner="console"))
        try:
            return _print(lambda: Pipeline().invoke(args.stage, event))
        finally:
            wiring.use(None)
