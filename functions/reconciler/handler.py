"""Compare one account's ledger with its broker's, or that of all of them."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import ReconcileRequest


@entrypoint("reconciler", request=ReconcileRequest)
def lambda_handler(request: ReconcileRequest, deps: Deps) -> reconciler.Outcome:
    return reconciler.run(
        request,
        db=deps.db,
        gateway=lambda name: deps.order_gateway(
            deps.account_context(name, request.tick, guards=True)
        ),
        parameters=deps.guard_parameters,
        clock=deps.clock,
        journal=deps.journal,
    )
