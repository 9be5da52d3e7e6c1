"""Compare every account's ledger with the broker's."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import TickRequest


@entrypoint("reconciler", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> reconciler.Outcome:
    return reconciler.run(
        request,
        db=deps.db,
        gateway=lambda name: deps.order_gateway(deps.account_context(name, request.tick)),
        parameters=deps.parameters,
        clock=deps.clock,
        journal=deps.journal,
    )
