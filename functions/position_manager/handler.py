"""Guards one account's positions: sync, mark, exit."""

from ops_pipeline.errors import AccountNotConfigured
from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import not_configured, position_manager
from ops_pipeline.stages.request import AccountRequest


@entrypoint("position_manager", request=AccountRequest)
def lambda_handler(
    request: AccountRequest, deps: Deps
) -> position_manager.Outcome | not_configured.Outcome:
    ctx = deps.account_context(request.account, request.tick, guards=True)
    try:
        gateway = deps.order_gateway(ctx)
    except AccountNotConfigured as error:
        return not_configured.run(error, ctx, db=deps.db)
    return position_manager.run(
        request, ctx, db=deps.db, gateway=gateway, market=deps.market_reader(ctx)
    )
