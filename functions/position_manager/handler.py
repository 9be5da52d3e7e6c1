"""Guards one account's positions: sync, mark, exit."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import position_manager
from ops_pipeline.stages.request import AccountRequest


@entrypoint("position_manager", request=AccountRequest)
def lambda_handler(request: AccountRequest, deps: Deps) -> position_manager.Outcome:
    ctx = deps.account_context(request.account, request.tick)
    return position_manager.run(
        request,
        ctx,
        db=deps.db,
        gateway=deps.order_gateway(ctx),
        market=deps.market_reader(ctx),
    )
