"""Guard one account's positions: sync, mark, exit."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import position_manager
from ops_pipeline.stages.request import AccountRequest


@entrypoint("position_manager", request=AccountRequest)
def lambda_handler(request: AccountRequest, deps: Deps) -> position_manager.Outcome:
    return position_manager.run(
        request,
        deps.account_context(request),
        market_data=deps.runtime.market_data,
        calendar=deps.calendar,
    )
