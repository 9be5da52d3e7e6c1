"""`ops doctor`: checks the database. Exit code 0 if nothing is wrong, 1 if something is."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from ops_local.commandline.command import Command, VerbCall
from ops_local.summary import Part
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import invariants, overview
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.invariants import MEANINGS


def run(call: VerbCall) -> int:
    """Return 0 if nothing is wrong, else 1; each part lists only what is wrong."""
    target = call.target
    with target.reading("ops-doctor") as tx:
        if not schema.missing_versions(tx):
            call.announce(tx)
        parts = examine(tx, lambda: target.present(tx))
    call.print_parts(parts)
    return 1 if any(part.rows for part in parts) else 0


def examine(tx: Transaction, present: Callable[[], datetime]) -> list[Part]:
    """What is wrong, by part; a database that lacks migrations is not checked further."""
    missing = [{"version": version} for version in schema.missing_versions(tx)]
    if missing:
        return [Part("Missing migrations", missing)]
    now = present()
    session = NyseCalendar().session(new_york_day(now))
    breaches = invariants.check(tx, now=now, session=session)
    return [
        Part("Missing migrations", []),
        Part(
            "Broken invariants",
            [{**asdict(breach), "meaning": MEANINGS[breach.invariant]} for breach in breaches],
        ),
        Part("Last runs that failed", overview.failed_runs(tx)),
        Part("Orders of unknown outcome", overview.unknown_orders(tx)),
        Part("Open alerts", overview.open_alerts(tx)),
    ]


COMMAND = Command(run)
