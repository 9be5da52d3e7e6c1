"""Calls a function of a deployed stack; AWS's own settings say where and as whom."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ops_pipeline import errors
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.errors import OpsError, StageFailed

_ATTEMPTS = 1
_NAMED = re.compile(r"(?<!:):([a-z_]+)")
# More than the longest function may take.
_READ_TIMEOUT_S = 330
# What JSON holds of these types is less than the type, by Postgres's name for it.
_OF_TYPE: Mapping[str, Callable[[Any], object]] = {
    "timestamp with time zone": datetime.fromisoformat,
    "date": date.fromisoformat,
    "numeric": Decimal,
    "double precision": float,
    "uuid": UUID,
}


class StackReader(Transaction):
    """Asks a deployed stack's database through db_query, a statement at a time.

    What comes back is JSON: times are text and exact numbers floats. There is no one moment
    that all statements see.
    """

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Run one reading statement with `:name` placeholders.

        Raises:
            StageFailed: it could not be asked, was refused, or gave more rows than fit.
        """
        return _rows_in(self._ask(sql, values))

    def _ask(self, sql: str, values: Mapping[str, object]) -> str:
        # The console refuses a value that the statement does not name; pg8000 passes it over.
        named = set(_NAMED.findall(sql))
        params = {name: _plain(value) for name, value in values.items() if name in named}
        answer = call(self._stack, "db_query", {"sql": sql, "params": params or None})
        body = json.loads(answer["body"])
        if not body["success"]:
            raise StageFailed(f"{body['error']} ({body['sqlstate'] or 'no sqlstate'})")
        if body.get("truncated"):
            raise StageFailed("the answer is longer than the console gives")
        return str(answer["body"])


class TypedStackReader(StackReader):
    """As StackReader, its rows as a session's own: moments, Decimals and UUIDs.

    Asks a second time for the types wherever there are rows.
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
    """Return what the handler returned.

    Args:
        stack: Its functions are named `<stack>-<stage>`, underscores as hyphens.
        stage: For example db_query.
        event: As the handler takes it.

    Raises:
        OpsError: what the handler raised, under its own name, StageFailed for any other.
    """
    # Imported here (PLC0415): no other verb needs it, and it takes a second. It ships no types.
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415
    from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BotoCoreError,
        ClientError,
    )

    # Never sent twice by itself: a migration that timed out may still be running.
    config = Config(retries={"total_max_attempts": _ATTEMPTS}, read_timeout=_READ_TIMEOUT_S)
    name = f"{stack}-{stage.replace('_', '-')}"
    try:
        with closing(boto3.client("lambda", config=config)) as functions:
            answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
            told = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError) as error:
        raise StageFailed(f"{name} could not be called: {error}") from error
    if "FunctionError" in answer:
        raise _error_of(told)
    return dict(told)


def _error_of(told: dict[str, Any]) -> OpsError:
    kind = getattr(errors, str(told.get("errorType")), StageFailed)
    message = str(told.get("errorMessage"))
    if isinstance(kind, type) and issubclass(kind, OpsError) and "__init__" not in vars(kind):
        return kind(message)
    return StageFailed(f"{told.get('errorType')}: {message}")
