"""Carries out what an operator commands: halts, closes, bindings, and what is set up."""

from typing import Any

from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import control


@plain_entrypoint("control", request=control.Request)
def lambda_handler(request: control.Request, runtime: Runtime) -> dict[str, Any]:
    match request.action:
        case "bind":
            return runtime.binder.run(request.bind_command())
        case "rebuild":
            return runtime.rebuilder.run(request.rebuild_command())
        case "add_account" | "switch_account" | "limit_account":
            return runtime.account_setup.run(request.account_command())
        case "apply":
            return runtime.deployment_setup.run(request.apply_command())
    done = request.setup(db=runtime.database, clock=runtime.clock)
    if done is not None:
        return done
    return control.run(request.command(), db=runtime.database, clock=runtime.clock)
