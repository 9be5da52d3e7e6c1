"""Compare every account's books with the broker's."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import AccountRequest, TickRequest


@entrypoint("reconciler", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> reconciler.Outcome:
    return reconciler.run(
        request,
        db=deps.db,
        account_context=lambda name: deps.account_context(
            AccountRequest(**request.model_dump(), account=name)
        ),
        clock=deps.clock,
        journal=deps.journal,
    )
