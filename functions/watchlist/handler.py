"""Scores the tickers and updates the watchlist."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import watchlist
from ops_pipeline.stages.request import TickRequest


@entrypoint("watchlist", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> watchlist.Outcome:
    return watchlist.run(request, db=deps.db, clock=deps.clock, parameters=deps.parameters)
