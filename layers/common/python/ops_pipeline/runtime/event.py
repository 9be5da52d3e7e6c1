"""Validates a handler's event and reports what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ops_pipeline.domain.legible import is_legible, legible
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
        InvalidInput: not a JSON object; a field is missing, invalid or unknown; a text has a
            NUL or a lone surrogate, which Postgres refuses.
    """
    accepted = ", ".join(model.model_fields)
    if not isinstance(event, dict):
        raise InvalidInput(f"the event must be a JSON object with {accepted}")
    try:
        asked = model.model_validate({**defaults, **event})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise InvalidInput(f"{legible(problems)}. Accepted fields: {accepted}") from None
    if illegible := [name for name in model.model_fields if _is_illegible(asked, name)]:
        problems = f"{', '.join(illegible)}: has a NUL or a lone surrogate"
        raise InvalidInput(f"{problems}. Accepted fields: {accepted}")
    return asked


def _is_illegible(asked: BaseModel, name: str) -> bool:
    """Whether a text in this field is; a field of any type is its stage's to judge."""
    if type(asked).model_fields[name].annotation is Any:
        return False
    return not all(map(is_legible, _texts(getattr(asked, name))))


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case BaseModel():
            yield from _texts(dict(value))
        case Mapping():
            for key, item in value.items():
                yield from (*_texts(key), *_texts(item))
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _texts(item)
