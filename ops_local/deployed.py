"""Calls the functions of a deployed stack, with AWS's own settings for region and credentials."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ops_pipeline import errors
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.errors import OpsError, StageFailed

_ATTEMPTS = 1
# The only function that has an alias for each operator.
_COMMANDS = "control"
_NAMED = re.compile(r"(?<!:):([a-z_]+)")
# More than the longest function may take.
_READ_TIMEOUT_S = 330
# Types that JSON cannot express, by Postgres's name, and how to restore them.
_OF_TYPE: Mapping[str, Callable[[Any], object]] = {
    "timestamp with time zone": datetime.fromisoformat,
    "date": date.fromisoformat,
    "numeric": Decimal,
    "double precision": float,
    "uuid": UUID,
}


class StackReader(Transaction):
    """Reads a deployed stack's database through db_query, one statement at a time.

    Answers are JSON: times are text and exact numbers are floats. Each statement has a snapshot
    of its own.
    """

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Run one reading statement with `:name` placeholders.

        Raises:
            StageFailed: the call failed, the statement was refused, or the answer was cut off.
        """
        return _rows_in(self._ask(sql, values))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Nothing to undo: each statement is a unit of work of its own."""
        yield

    def _ask(self, sql: str, values: Mapping[str, object]) -> str:
        # The console refuses a value that the statement does not use; pg8000 ignores it.
        named = set(_NAMED.findall(sql))
        params = {name: _plain(value) for name, value in values.items() if name in named}
        answer = call(self._stack, "db_query", {"sql": sql, "params": params or None})
        body = json.loads(answer["body"])
        if not body["success"]:
            raise StageFailed(f"{body['error']} ({body['sqlstate'] or 'no sqlstate'})")
        if body.get("truncated"):
            raise StageFailed("the answer is longer than the console returns")
        return str(answer["body"])


class TypedStackReader(StackReader):
    """As StackReader, but with the types that a session returns: datetime, Decimal, UUID.

    Sends a second statement for the types whenever there are rows.
    """

    def rows(self, sql: str, **values: object) -> list[Row]:
        body = self._ask(sql, values)
        rows = _rows_in(body)
        if not rows:
            return []
        columns = ", ".join(f'CAST(pg_typeof("{name}") AS text) AS "{name}"' for name in rows[0])
        typed = f"SELECT {columns} FROM ({sql}) AS answered LIMIT 1"
        [types] = _rows_in(self._ask(typed, values))
        exact = _rows_in(body, parse_float=Decimal)
        return [
            {
                name: _as_type(types[name], digits[name] if types[name] == "numeric" else value)
                for name, value in row.items()
            }
            for row, digits in zip(rows, exact, strict=True)
        ]


def _rows_in(body: str, parse_float: Callable[[str], object] = float) -> list[Row]:
    return list(json.loads(body, parse_float=parse_float)["rows"])


def _as_type(name: str, value: Any) -> object:
    return value if value is None or name not in _OF_TYPE else _OF_TYPE[name](value)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def call(stack: str, stage: str, event: object) -> dict[str, Any]:
    """Invoke a function and return the handler's result.

    Args:
        stack: Its functions are named `<stack>-<stage>`, underscores as hyphens. Control is
            called by an operator's own alias as `<stack>:<alias>`.
        stage: For example db_query.
        event: As the handler accepts it.

    Raises:
        OpsError: the error that the handler raised; StageFailed if its class is unknown here.
    """
    # Imported here (PLC0415): no other verb needs it, and it takes a second. It ships no types.
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
    from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BotoCoreError,
        ClientError,
    )

    # botocore must not retry: a migration that timed out may still be running.
    config = Config(retries={"total_max_attempts": _ATTEMPTS}, read_timeout=_READ_TIMEOUT_S)
    prefix, _, alias = stack.partition(":")
    name = f"{prefix}-{stage.replace('_', '-')}"
    called = f"{name}:{alias}" if alias and stage == _COMMANDS else name
    try:
        with closing(boto3.client("lambda", config=config)) as functions:
            answer = functions.invoke(FunctionName=called, Payload=json.dumps(event).encode())
            returned = json.loads(answer["Payload"].read() or b"null")
    except (BotoCoreError, ClientError) as error:
        raise StageFailed(f"{called} could not be called: {error}") from error
    except ValueError as error:
        raise StageFailed(f"{called} answered with something that is no JSON") from error
    if not isinstance(returned, dict):
        raise StageFailed(f"{called} answered with no object: {str(returned)[:100]}")
    if "FunctionError" in answer:
        raise _error_of(returned)
    return returned


def _error_of(raised: dict[str, Any]) -> OpsError:
    kind = getattr(errors, str(raised.get("errorType")), StageFailed)
    message = str(raised.get("errorMessage"))
    if isinstance(kind, type) and issubclass(kind, OpsError) and "__init__" not in vars(kind):
        return kind(message)
    return StageFailed(f"{raised.get('errorType')}: {message}")
