"""Ids from natural keys: the same facts give the same id, so a replayed minute adds nothing."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

# ASCII's unit separator stands in no ticker, account or timestamp.
_SEPARATOR = "\x1f"


def stable_uuid(*parts: object) -> UUID:
    """A uuid (version 8) from the sha256 of the parts; moments are read in UTC."""
    digest = hashlib.sha256(_SEPARATOR.join(map(_text, parts)).encode()).digest()
    return _version_8(digest)


def _version_8(digest: bytes) -> UUID:
    value = bytearray(digest[:16])
    value[6] = value[6] & 0x0F | 0x80
    value[8] = value[8] & 0x3F | 0x80
    return UUID(bytes=bytes(value))


def _text(part: object) -> str:
    return part.astimezone(UTC).isoformat() if isinstance(part, datetime) else str(part)
