"""Halts, resumes, closes, binds and rebuilds on the operator's command."""

from typing import Any

from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import control


@plain_entrypoint("control", request=control.Request)
def lambda_handler(request: control.Request, runtime: Runtime) -> dict[str, Any]:
    if request.action == "bind":
        return runtime.binder.run(request.bind_command())
    if request.action == "rebuild":
        return runtime.rebuilder.run(request.rebuild_command())
    return control.run(request.command(), db=runtime.database, clock=runtime.clock)
