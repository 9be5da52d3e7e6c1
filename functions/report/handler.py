"""Summarizes the day."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import report
from ops_pipeline.stages.request import TickRequest


@entrypoint("report", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> report.Outcome:
    return report.run(request, db=deps.db)
