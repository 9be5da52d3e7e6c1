"""Validates a handler's event and reports what is wrong with it."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ops_pipeline.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Any, Any], dict[str, Any]]


def read_event(event: Any, model: type[M], **defaults: object) -> M:
    """Read an event by its model.

    Args:
        event: The event that Lambda was called with.
        model: Forbids fields that it does not have.
        defaults: Values of fields that the event leaves out.

    Raises:
        InvalidInput: not a JSON object, or a field is missing, invalid or unknown.
    """
    accepted = ", ".join(model.model_fields)
    if not isinstance(event, dict):
        raise InvalidInput(f"the event must be a JSON object with {accepted}")
    try:
        return model.model_validate({**defaults, **event})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise InvalidInput(f"{problems}. Accepted fields: {accepted}") from None
