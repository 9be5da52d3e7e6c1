"""Reads announced splits, dividends, renamings and mergers."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import corporate_actions
from ops_pipeline.stages.request import TickRequest


@entrypoint("corporate_actions", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> corporate_actions.Outcome:
    return corporate_actions.run(
        request,
        db=deps.db,
        feed=deps.runtime.corporate_actions,
        clock=deps.clock,
        journal=deps.journal,
    )
