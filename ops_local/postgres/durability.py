"""Lets the data of a live pipeline survive a power cut; a replay's may go, it is made again."""

import os
import time
from contextlib import closing

from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import SettingsInvalid

# Without the first, what was committed is in the kernel's memory alone; without the second, a
# page of which half was written cannot be recovered.
DURABLE = ("fsync", "full_page_writes")

_OFF = "SELECT name FROM pg_settings WHERE name = ANY(:names) AND setting <> 'on'"
_RELOADED_WITHIN_S = 10.0
_POLL_S = 0.05


def make_durable(admin_url: str) -> bool:
    """Turn both on for this data folder and for good; False if they were.

    ALTER SYSTEM keeps them in the data folder, so that every later start has them, a replay's
    too. The checkpoint and the sync write out what came before.

    Raises:
        SettingsInvalid: the server was started by an earlier version, on whose command line
            they are off.
    """
    with closing(Database(target_from_url(admin_url), application_name="ops-durable")) as admin:
        if not _off(admin):
            return False
        for name in DURABLE:
            admin.session().execute_simple(f"ALTER SYSTEM SET {name} = on")
        admin.session().execute_simple("SELECT pg_reload_conf()")
        _wait_until_on(admin)
        admin.session().execute_simple("CHECKPOINT")
    os.sync()
    return True


def _off(admin: Database) -> list[str]:
    return [row["name"] for row in admin.read(_OFF, names=list(DURABLE))]


def _wait_until_on(admin: Database) -> None:
    deadline = time.monotonic() + _RELOADED_WITHIN_S
    while off := _off(admin):
        if time.monotonic() > deadline:
            raise SettingsInvalid(
                f"the running Postgres has {' and '.join(off)} off on its command line: end the "
                "ops commands that use it, and start again"
            )
        time.sleep(_POLL_S)
