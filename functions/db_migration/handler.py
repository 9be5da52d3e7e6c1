"""Applies the bundled migrations, before any other function changes."""

from typing import Any

from ops_pipeline.runtime.plain_entrypoint import plain_entrypoint
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import db_migration


@plain_entrypoint("db_migration", request=db_migration.Request)
def lambda_handler(request: db_migration.Request, runtime: Runtime) -> dict[str, Any]:
    return db_migration.run(
        request,
        database=runtime.owner_database,
        folder=runtime.settings.migrations_dir,
        clock=runtime.clock,
        passwords=runtime.role_passwords(),
    )
