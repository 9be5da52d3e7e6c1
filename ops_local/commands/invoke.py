"""`ops invoke STAGE --event JSON`: one handler, as the Lambda console would call it."""

import argparse
import json
import sys
from collections.abc import Callable

from infra.definitions import load_functions
from ops_local import deployed
from ops_local.commandline.command import Command, UsageError, VerbCall
from ops_local.pipeline import Pipeline
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", choices=sorted(load_functions()), metavar="STAGE")
    parser.add_argument("--event", default="{}", metavar="JSON", help="the event, {} if omitted")


def run(call: VerbCall) -> int:
    """Print the result, or Lambda's error object; return 0, or 1 for an error."""
    stage = call.args.stage
    try:
        event = json.loads(call.args.event)
    except ValueError as error:
        raise UsageError(f"--event is not JSON: {error}") from error
    if stack := call.target.stack:
        return _print(call, lambda: deployed.call(stack, stage, event))
    with log.written_to(sys.stderr):
        return _invoke(call, stage, event)


def _print(call: VerbCall, invoke: Callable[[], object]) -> int:
    try:
        answer = invoke()
    except Exception as error:  # noqa: BLE001 - Lambda reports whatever a handler raises
        call.print_json({"errorType": type(error).__name__, "errorMessage": str(error)})
        return 1
    call.print_json(answer)
    return 0


def _invoke(call: VerbCall, stage: str, event: object) -> int:
    with call.target.urls("tries", call.settings.migrations_dir) as urls:
        variables = {**call.variables, **urls.variables()}
        wiring.use(Runtime(variables, call.clock, owner="console"))
        try:
            return _print(call, lambda: Pipeline().invoke(stage, event))
        finally:
            wiring.use(None)


COMMAND = Command(run, arguments)
