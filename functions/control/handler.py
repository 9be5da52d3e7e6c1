"""Carries out what an operator commands: halts, closes, bindings, checks, and what is set up."""

from typing import Any

from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import control


@plain_entrypoint("control", request=control.Request)
def lambda_handler(request: control.Request, runtime: Runtime) -> dict[str, Any]:
    match request.action:
        case "bind":
            done = runtime.binder.run(request.bind_command())
        case "rebuild":
            done = runtime.rebuilder.run(request.rebuild_command())
        case "add_account" | "switch_account" | "limit_account":
            done = runtime.account_setup.run(request.account_command())
        case "apply":
            done = runtime.deployment_setup.run(request.apply_command())
        case "check":
            done = runtime.checks.run(request.check_subject(), request.account)
        case "check_order":
            done = runtime.order_check.run(request.order_check_command())
        case "feeds" | "tickers" | "events" | "adopt_holding":
            done = request.set_up(db=runtime.database, clock=runtime.clock)
        case _:
            done = control.run(request.command(), db=runtime.database, clock=runtime.clock)
    return done
