"""Reads ops.toml, and the accounts of the CDK context beside it."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops_pipeline.domain.deployment.named_accounts import FILE, differing_accounts
from ops_pipeline.errors import InvalidInput

CONTEXT = "cdk.json"
_MOST_BYTES = 1_000_000


def read(path: Path) -> dict[str, Any]:
    """The file's content.

    Raises:
        InvalidInput: there is none, or it is no TOML; the message says where.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no {path}: `ops init` writes one")
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidInput(f"{path} is longer than {_MOST_BYTES} bytes")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}") from None


def require_same_accounts(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse a file whose accounts are not those that cdk.json beside it names.

    A context that names none leaves it to the stack, which was deployed with some.

    Raises:
        InvalidInput: names each that stands in one of the two alone.
    """
    context = path.with_name(CONTEXT)
    accounts = values.get("accounts")
    if not context.is_file() or not isinstance(accounts, Mapping):
        return
    named = _of_context(context)
    if named is not None and (wrong := differing_accounts(accounts, named, CONTEXT)):
        lines = "".join(f"\n  {each}" for each in wrong)
        raise InvalidInput(f"{FILE} and {CONTEXT} differ:{lines}")


def _of_context(context: Path) -> list[str] | None:
    """The accounts that a CDK context names; None where it names none."""
    try:
        held = json.loads(context.read_text(encoding="utf-8"))
        named = held.get("context", {}).get("accounts")
    except (ValueError, AttributeError):
        raise InvalidInput(f"{context} is no JSON object with a context") from None
    return named.split(",") if isinstance(named, str) else named
