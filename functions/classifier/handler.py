"""Scores the sentiment of stored news and finds their tickers."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import classifier
from ops_pipeline.stages.request import TickRequest


@entrypoint("classifier", request=TickRequest)
def lambda_handler(request: TickRequest, deps: Deps) -> classifier.Outcome:
    return classifier.run(request, db=deps.db, classifier=deps.runtime.classifier, clock=deps.clock)
