"""The functions by name: their handlers, the events they ship, and the events they accept."""

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import BaseModel

from ops_pipeline.runtime.event import Handler, read_event
from ops_pipeline.stages.request import TickRequest
from tests.conftest import ROOT

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))


def handler_of(name: str) -> Handler:
    handler: Handler = import_module(f"functions.{name}.handler").lambda_handler
    return handler


def model_of(name: str) -> type[BaseModel]:
    """The model of the events it accepts: what its own function asks for."""
    asked: type[BaseModel] = get_type_hints(vars(handler_of(name))["__wrapped__"])["request"]
    assert issubclass(asked, BaseModel), name
    return asked


def events_of(name: str) -> dict[str, dict[str, Any]]:
    """The test events in its folder, by file name."""
    folder = ROOT / "functions" / name / "events"
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def read_as_its_handler(name: str, event: object) -> BaseModel:
    """Read an event by the model of that function; raises InvalidInput where it does."""
    model = model_of(name)
    if issubclass(model, TickRequest):
        return read_event(event, model, tick=datetime(2026, 2, 4, 14, 31, tzinfo=UTC))
    return read_event(event, model)
