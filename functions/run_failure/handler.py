"""Records a failed state of a state machine."""

from dataclasses import asdict
from typing import Any

from ops_pipeline.runtime import log
from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import run_failure


@plain_entrypoint("run_failure", request=run_failure.Request)
def lambda_handler(request: run_failure.Request, runtime: Runtime) -> dict[str, Any]:
    # The database may be what failed, so the log line and the metric come first.
    log.went_wrong("state_failed", subject=request.subject, error=request.error)
    log.count_run(request.subject, failed=True, duration_ms=0)
    owner = runtime.owner or "run_failure"
    return asdict(run_failure.run(request, db=runtime.database, clock=runtime.clock, owner=owner))
