"""Fetches the feeds and stores new items."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.request import TickRequest


@entrypoint("rss_ingest", request=TickRequest, first_in_machine=True)
def lambda_handler(request: TickRequest, deps: Deps) -> rss_ingest.Outcome:
    return rss_ingest.run(request, db=deps.db, feed=deps.runtime.feed, clock=deps.clock)
