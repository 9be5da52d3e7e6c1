"""Reports whether a session is open and which accounts to serve."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import market_clock
from ops_pipeline.stages.request import ClockRequest


@entrypoint("market_clock", request=ClockRequest, first_in_machine=True, repeatable=True)
def lambda_handler(request: ClockRequest, deps: Deps) -> market_clock.Outcome:
    return market_clock.run(
        request,
        db=deps.db,
        calendar=deps.calendar,
        clock=deps.clock,
        bar_offset_s=deps.runtime.settings.bar_offset_s,
    )
