"""Looks for stages without runs, output or success."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import healthcheck
from ops_pipeline.stages.request import TickRequest


@entrypoint("healthcheck", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> healthcheck.Outcome:
    return healthcheck.run(request, db=deps.db, calendar=deps.calendar, clock=deps.clock)
