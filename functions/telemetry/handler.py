"""Fetches the newest bars."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import telemetry
from ops_pipeline.stages.request import TickRequest


@entrypoint("telemetry", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> telemetry.Outcome:
    return telemetry.run(
        request,
        db=deps.db,
        market_data=deps.runtime.market_data,
        calendar=deps.calendar,
        clock=deps.clock,
        parameters=deps.parameters,
        data_feed=deps.runtime.data_feed,
    )
