"""Each item of a vendor's list is read by itself: one that can't be read costs no other.

Whatever reading an item raises stays with that item. Vendors err in ways that nobody foresees,
so there is no list of foreseen errors.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing, is_legible, legible

T = TypeVar("T")

_LONGEST_NAME = 100
_LONGEST_REASON = 200
_LONGEST_CONTENT = 2000
# Left out wherever they stand in an item.
_PRIVATE = ("account", "key", "password", "secret", "token")


class Illegible(Exception):
    """An answer, or an item of it, that is not what was asked for; never leaves the adapters."""


def understood(understand: Callable[[Any], T], answer: object) -> T:
    """What the answer says. Raises Illegible, whatever the reading raises."""
    try:
        return understand(answer)
    except Illegible:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise Illegible(_reason(error)) from None


def read_each(
    items: Iterable[object],
    understand: Callable[[Any], T],
    describe: Callable[[object, str], IllegibleItem],
) -> Listing[T]:
    """The items that can be read in their order, and a description of each that can't."""
    found: list[T] = []
    illegible: list[IllegibleItem] = []
    for item in items:
        try:
            found.append(understood(understand, item))
        except Illegible as error:
            illegible.append(describe(item, _reason(error)))
    return Listing(found, illegible)


def described(
    kind: ItemKind, item: object, reason: str, *, name: str | None, **legible_fields: Any
) -> IllegibleItem:
    """An item that could not be read; without a legible name a digest names it."""
    content = _content(item)
    digest = sha256(content.encode()).hexdigest()[:16]
    return IllegibleItem(
        kind=kind,
        name=legible(name)[:_LONGEST_NAME] if name else digest,
        reason=reason,
        content=content,
        **legible_fields,
    )


def text_of(item: object, field: str) -> str | None:
    """A field of an item as text, None where it is no legible one."""
    value = item.get(field) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value or not is_legible(value):
        return None
    return value if len(value) <= _LONGEST_NAME else None


def _reason(error: Exception) -> str:
    said = str(error) if isinstance(error, Illegible) else f"{type(error).__name__}: {error}"
    return legible(said)[:_LONGEST_REASON]


def _content(item: object) -> str:
    try:
        text = json.dumps(_without_private(item), default=repr, sort_keys=True)
    except Exception as error:  # noqa: BLE001 - an item that can't even be shown is named all the same
        text = f"<{type(item).__name__}, not shown: {type(error).__name__}>"
    return legible(text)[:_LONGEST_CONTENT]


def _without_private(value: object) -> object:
    match value:
        case Mapping():
            return {
                str(key): _without_private(item)
                for key, item in value.items()
                if not any(word in str(key).lower() for word in _PRIVATE)
            }
        case list():
            return [_without_private(item) for item in value]
        case _:
            return value
