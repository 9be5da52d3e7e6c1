"""Checks runs, output, failures and invariants."""

from ops_pipeline.runtime import log
from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import healthcheck
from ops_pipeline.stages.request import TickRequest


@entrypoint("healthcheck", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> healthcheck.Outcome:
    found = healthcheck.run(request, db=deps.db, calendar=deps.calendar, clock=deps.clock)
    if not request.dry_run:
        # A dry run may look at another minute: it must not set off an alarm now.
        log.count_health(
            found.unwell,
            critical_alerts=found.critical_alerts_open,
            unknown_orders=found.orders_unknown,
        )
    return found
