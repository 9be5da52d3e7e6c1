"""Reads an event as the function of that name would, without running it."""

from datetime import UTC, datetime
from importlib import import_module
from typing import get_type_hints

from pydantic import BaseModel

from ops_pipeline.runtime.event import read_event
from ops_pipeline.stages.request import TickRequest


def request_model(stage: str) -> type[BaseModel]:
    handler = import_module(f"functions.{stage}.handler").lambda_handler
    model: type[BaseModel] = get_type_hints(handler.__wrapped__)["request"]
    assert issubclass(model, BaseModel), stage
    return model


def read_as_its_handler(stage: str, event: object) -> BaseModel:
    """Read an event by the model of that function; raises InvalidInput where it does."""
    model = request_model(stage)
    if issubclass(model, TickRequest):
        return read_event(event, model, tick=datetime(2026, 2, 4, 14, 31, tzinfo=UTC))
    return read_event(event, model)
