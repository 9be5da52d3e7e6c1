"""Stores the volatility index, or a substitute for it."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import market_regime
from ops_pipeline.stages.request import TickRequest


@entrypoint("market_regime", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> market_regime.Outcome:
    return market_regime.run(
        request,
        db=deps.db,
        sources=deps.runtime.volatility_sources,
        market=lambda: deps.runtime.market_data,
        calendar=deps.calendar,
        clock=deps.clock,
        journal=deps.journal,
    )
