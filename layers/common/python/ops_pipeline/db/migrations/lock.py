"""One run at a time works on a database, and no login that may not migrate can prevent it.

An advisory lock belongs to the session, so that it spans the transactions of a run and ends
with a killed one; it is requested outside any transaction, as a waiter inside one would block
a CREATE INDEX CONCURRENTLY of the run it waits for. But every login may take any advisory
lock, a reader too. So only holders that may write schema_migrations count. Where somebody
else holds the usual lock, a run takes another one, numbered by its process, and looks for
other runs after it has one: of two that start together at least one sees the other.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.failures import LOST
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.errors import DatabaseUnavailable

_NUMBER = 729_104_001
_USUAL = str(_NUMBER)
_OF_THIS_PROCESS = f"{_NUMBER}, pg_backend_pid()"
_POLL_S = 0.1
# Two runs that saw each other withdraw, and must not meet again at the next look.
_SPREAD = 7
# The other runs. A session's role and process are visible to every login.
_OTHERS = f"""
SELECT string_agg(concat_ws(', ', 'pid ' || a.pid, nullif(a.application_name, '')), '; ')
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
AND a.datname = pg_catalog.current_database() AND l.database = a.datid
AND (l.classid, l.objsubid) IN ((0, 1), ({_NUMBER}, 2))
AND (l.classid <> 0 OR l.objid = {_NUMBER})
AND CASE
    WHEN pg_catalog.to_regclass('public.schema_migrations') IS NOT NULL
        THEN pg_catalog.has_table_privilege(r.oid, 'public.schema_migrations', 'INSERT')
    WHEN pg_catalog.to_regnamespace('public') IS NOT NULL
        THEN pg_catalog.has_schema_privilege(r.oid, 'public', 'CREATE')
    ELSE true
END
"""


@contextmanager
def held(raw: PipelinedSession, wait_s: float) -> Iterator[None]:
    """Hold the lock.

    Raises:
        DatabaseUnavailable: another run did not end in time.
    """
    key = _acquired(raw, time.monotonic() + wait_s, wait_s)
    try:
        yield
    finally:
        with suppress(*LOST, DatabaseError):
            _release(raw, key)


def _acquired(raw: PipelinedSession, deadline: float, wait_s: float) -> str:
    """Which lock it is that this run holds now."""
    pid = int(raw.execute_simple("SELECT pg_backend_pid()").rows[0][0])
    while True:
        for key in (_USUAL, _OF_THIS_PROCESS):
            taken, others = _try(raw, key)
            if taken and others is None:
                return key
            if taken:
                _release(raw, key)
            if others is not None:
                break
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"another migration run ({others or 'just ended'}) holds the lock "
                f"since over {wait_s:g} s; nothing was run"
            )
        time.sleep(_POLL_S * (1 + pid % _SPREAD / _SPREAD))


def _try(raw: PipelinedSession, key: str) -> tuple[bool, str | None]:
    """Whether the lock was free, and the other runs, if any."""
    rows = raw.execute_simple(f"SELECT pg_try_advisory_lock({key}); {_OTHERS}").rows
    return rows[0][0], rows[1][0]


def _release(raw: PipelinedSession, key: str) -> None:
    raw.execute_simple(f"SELECT pg_advisory_unlock({key})")
