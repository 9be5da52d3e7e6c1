"""Takes one account's recommendations to an order or a refusal."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import dispatcher
from ops_pipeline.stages.request import AccountRequest


@entrypoint("dispatcher", request=AccountRequest)
def lambda_handler(request: AccountRequest, deps: Deps) -> dispatcher.Outcome:
    ctx = deps.account_context(request.account, request.tick)
    return dispatcher.run(
        request,
        ctx,
        db=deps.db,
        gateway=deps.order_gateway(ctx),
        market=deps.market_reader(ctx),
    )
