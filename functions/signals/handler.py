"""Evaluates the watchlist and writes recommendations."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import signals
from ops_pipeline.stages.request import TickRequest


@entrypoint("signals", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> signals.Outcome:
    return signals.run(request, db=deps.db, clock=deps.clock, parameters=deps.parameters)
