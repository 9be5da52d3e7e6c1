"""Whether this login may use the console, by the catalog.

Checked before each statement: the role may have been granted more since the last one.
"""

from collections.abc import Sequence
from typing import Any

from ops_pipeline.errors import WrongRole

# Follows the beginning of the console's transaction. A query in it takes the snapshot, after
# which Postgres refuses SET TRANSACTION READ WRITE. The answer is the first thing that this
# login may do and a reader may not, NULL if there is none; and the time limit of a statement,
# in milliseconds, 0 if there is none.
CHECK_LOGIN = r"""
SELECT CASE
    WHEN rolsuper THEN 'is superuser'
    WHEN rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
        THEN 'may change the cluster'
    WHEN EXISTS (
        SELECT FROM pg_catalog.pg_roles AS granted
        WHERE granted.rolname IN ('pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program', 'pg_write_all_data', 'pg_signal_backend',
            'pg_maintain', 'pg_create_subscription', 'pg_checkpoint', 'rds_superuser')
        AND pg_catalog.pg_has_role(session_user, granted.oid, 'MEMBER')
    ) THEN 'has a server role'
    WHEN EXISTS (
        SELECT FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database()
        AND pg_catalog.pg_has_role(session_user, datdba, 'MEMBER')
    ) THEN 'owns the database'
    WHEN EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
        AND (pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER')
            OR pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
    ) THEN 'may write tables'
END,
(extract(epoch FROM CAST(pg_catalog.current_setting('statement_timeout') AS interval)) * 1000)::int8
FROM pg_catalog.pg_roles WHERE rolname = session_user
"""


class NoTimeLimit(Exception):
    """A statement could run for ever."""


def require_limit(found: Sequence[Sequence[Any]], most_ms: int) -> None:
    """Raise unless the server ends a statement after at most so many milliseconds.

    Raises:
        NoTimeLimit: it does not; something between has dropped the setting.
    """
    limit_ms = found[0][1]
    if not 0 < limit_ms <= most_ms:
        raise NoTimeLimit(f"the console's time limit is not in force: {limit_ms} ms")


def require_reader(found: Sequence[Sequence[Any]]) -> None:
    """Raise if the answer to CHECK_LOGIN names a privilege.

    Raises:
        WrongRole: says what the login may do.
    """
    if not found:
        raise WrongRole("this login was dropped: log in anew")
    too_much = found[0][0]
    if too_much is not None:
        raise WrongRole(f"this login {too_much}: the console accepts a reader's login only")
