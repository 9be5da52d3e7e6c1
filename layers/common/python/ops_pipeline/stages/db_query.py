"""Runs one read-only statement and answers with a status code."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db.console.console import Console


class Request(BaseModel):
    """The statement; `sql` and `params` are validated by the console, which answers errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: Any = Field(description="One statement; a semicolon at its end is fine.")
    params: Any = Field(
        default=None, description="A list for its $1, $2, or an object for its :name."
    )


def run(request: Request, *, console: Console) -> dict[str, Any]:
    """Answer `{"statusCode": 200 or 400, "body": JSON text}`; see the console."""
    return console.run(request.sql, request.params)
