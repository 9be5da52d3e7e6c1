"""Deletes rows past their table's retention period."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import retention
from ops_pipeline.stages.request import TickRequest


@entrypoint("retention", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> retention.Outcome:
    return retention.run(request, db=deps.db, clock=deps.clock)
