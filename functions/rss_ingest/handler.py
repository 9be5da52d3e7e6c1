"""Fetches the feeds and stores new items."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.operating.feed_trial import FeedTrial


@entrypoint("rss_ingest", request=rss_ingest.Request, first_in_machine=True)
def lambda_handler(request: rss_ingest.Request, deps: Deps) -> rss_ingest.Outcome | FeedTrial:
    feed, clock = deps.runtime.feed, deps.clock
    if request.trial is not None:
        return rss_ingest.look(request.trial, db=deps.db, feed=feed, clock=clock)
    pace = deps.runtime.feed_pace
    return rss_ingest.run(request, db=deps.db, feed=feed, clock=clock, pace=pace)
