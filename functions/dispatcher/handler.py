"""Takes one account's recommendations to an order or a refusal."""

from ops_pipeline.errors import AccountNotConfigured
from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import dispatcher, not_configured
from ops_pipeline.stages.request import AccountRequest


@entrypoint("dispatcher", request=AccountRequest)
def lambda_handler(
    request: AccountRequest, deps: Deps
) -> dispatcher.Outcome | not_configured.Outcome:
    ctx = deps.account_context(request.account, request.tick)
    try:
        gateway = deps.order_gateway(ctx)
    except AccountNotConfigured as error:
        return not_configured.run(error, ctx, db=deps.db)
    return dispatcher.run(request, ctx, db=deps.db, gateway=gateway, market=deps.market_reader(ctx))
