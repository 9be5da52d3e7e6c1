"""Reads ops.toml, and the accounts of the CDK context beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops_local.given_files import json_of, toml_of
from ops_pipeline.domain.deployment.named_accounts import FILE, differing_accounts
from ops_pipeline.errors import InvalidInput

CONTEXT = "cdk.json"
_MOST_BYTES = 1_000_000


def read(path: Path) -> dict[str, Any]:
    """The file's content.

    Raises:
        InvalidInput: there is none, or it is no TOML; the message says where.
    """
    if path.exists() and not path.is_file():
        raise InvalidInput(f"{path} is no file")
    if not path.exists():
        init = "ops init" if path == Path(FILE) else f"ops init --file {path}"
        raise InvalidInput(f"there is no {path}: `{init}` writes one")
    return toml_of(path, most_bytes=_MOST_BYTES)


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
    if named is not None and (wrong := differing_accounts(path.name, accounts, CONTEXT, named)):
        lines = "".join(f"\n  {each}" for each in wrong)
        raise InvalidInput(f"{path} and {CONTEXT} differ:{lines}")


def _of_context(context: Path) -> list[str] | None:
    """The accounts that a CDK context names; None where it names none."""
    try:
        named = json_of(context).get("context", {}).get("accounts")
    except AttributeError:
        raise InvalidInput(f"{context} is no JSON object with a context") from None
    return named.split(",") if isinstance(named, str) else named
