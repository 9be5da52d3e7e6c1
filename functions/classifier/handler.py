"""Scores the sentiment of stored news and finds their tickers."""

from ops_pipeline.runtime.entrypoint import entrypoint
from ops_pipeline.runtime.wiring import Deps
from ops_pipeline.stages import classifier
from ops_pipeline.stages.classifier import ModelTrial


@entrypoint("classifier", request=classifier.Request)
def lambda_handler(request: classifier.Request, deps: Deps) -> classifier.Outcome | ModelTrial:
    model = deps.runtime.classifier
    if request.trial is not None:
        return classifier.try_model(request.trial, model)
    return classifier.run(request, db=deps.db, classifier=model, clock=deps.clock)
