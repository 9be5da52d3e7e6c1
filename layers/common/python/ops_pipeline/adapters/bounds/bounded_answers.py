"""Answers of foreign servers within bounds: bytes on the wire, bytes unpacked, time, JSON depth."""

import json
import math
from time import monotonic
from typing import Any

import urllib3

_CHUNK = 65_536
# An order with its legs is four deep.
MOST_DEPTH = 32
_MOST_DIGITS = 1_000


class ExcessiveAnswer(ValueError):
    """An answer is larger, deeper or slower than any honest one."""


def bounded_body(
    response: urllib3.BaseHTTPResponse, *, most_bytes: int, most_s: float | None = None
) -> bytes:
    """Read a body to its end and unpack it.

    Args:
        response: Not read yet, and made without `preload_content`.
        most_bytes: For what comes over the wire and for what is unpacked, each.
        most_s: Time for all of it, beside the time-out of each read.

    Raises:
        ExcessiveAnswer: a bound was passed; the rest is left unread.
        urllib3.exceptions.HTTPError: the connection broke, or the packing is damaged.
    """
    ends_at = None if most_s is None else monotonic() + most_s
    body = bytearray()
    while True:
        arrived = response.tell()
        # read1 returns what has arrived instead of waiting for a full chunk.
        chunk = response.read1(_CHUNK, decode_content=True)
        body += chunk
        if len(body) > most_bytes or response.tell() > most_bytes:
            raise ExcessiveAnswer(f"the answer is over {most_bytes} bytes")
        if ends_at is not None and monotonic() > ends_at:
            raise ExcessiveAnswer(f"the answer took over {most_s:g} s")
        # Bytes may arrive that unpack to nothing, as the head of a packing does.
        if not chunk and response.tell() == arrived:
            return bytes(body)


def bounded_json(body: bytes, *, most_depth: int = MOST_DEPTH) -> Any:
    """The value of a JSON text.

    Raises:
        ExcessiveAnswer: nested deeper than `most_depth`.
        ValueError: no JSON.
    """
    try:
        value = _read(body)
    except RecursionError:
        raise ExcessiveAnswer(f"the answer is nested over {most_depth} deep") from None
    level = [value]
    for _ in range(most_depth):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ExcessiveAnswer(f"the answer is nested over {most_depth} deep")


def _read(body: bytes) -> Any:
    """The value; an integer longer than Python reads is infinite, which nothing takes for one."""
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(body, parse_int=_whole_or_infinite)


def _whole_or_infinite(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf


def _children(value: Any) -> list[Any]:
    """The lists and objects right inside a list or an object."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inner if isinstance(child, dict | list)]
