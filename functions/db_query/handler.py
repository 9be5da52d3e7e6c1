"""Runs one read-only SQL statement for the operator."""

from typing import Any

from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import db_query


@plain_entrypoint("db_query", request=db_query.Request)
def lambda_handler(request: db_query.Request, runtime: Runtime) -> dict[str, Any]:
    return db_query.run(request, console=runtime.console)
