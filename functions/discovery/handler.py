"""Proposes tickers to watch."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import discovery
from ops_pipeline.stages.request import TickRequest


@entrypoint("discovery", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> discovery.Outcome:
    return discovery.run(
        request,
        db=deps.db,
        market_data=deps.runtime.market_data,
        calendar=deps.calendar,
        clock=deps.clock,
    )
