"""Computes the features of the newest bars."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import features
from ops_pipeline.stages.request import TickRequest


@entrypoint("features", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> features.Outcome:
    return features.run(
        request,
        db=deps.db,
        calendar=deps.calendar,
        clock=deps.clock,
        parameters=deps.parameters,
    )
