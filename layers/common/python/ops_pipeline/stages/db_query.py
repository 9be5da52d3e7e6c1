"""One read-only statement of the operator, answered with a status code."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db import console
from ops_pipeline.db.connection import Target


class Request(BaseModel):
    """What the operator asks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: str = Field(description="One statement; a semicolon at its end is fine.")


def run(request: Request, *, reader: Target) -> dict[str, Any]:
    """Answer `{"statusCode": 200 or 400, "body": JSON text}`; see the console."""
    return console.run(reader, request.sql)
