"""`ops status`: accounts, each stage's last run, what is overdue, open positions and alerts."""

from ops_local import late_runs
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.target import Target
from ops_local.looks import is_known, looked
from ops_local.summary import Part
from ops_pipeline.db import schema
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.market import new_york_day


def run(call: VerbCall) -> int:
    """Return 0 if nothing is wrong.

    Return 1 if an alert is open, a last run failed or is overdue, or a part cannot be read.
    """
    target = call.target
    with target.reading("ops-status") as tx:
        call.announce(tx)
        parts = _parts(target, tx)
        if not is_known(parts):
            # Where that is the reason for all of it, one sentence says more.
            schema.require_current(tx)
        late = late_parts(target, tx)
    call.print_parts([*parts, *late])
    failed = any(row.get("status") == "failed" for part in parts for row in part.rows)
    wrong = failed or not is_known(parts) or any(part.rows for part in (parts[-1], *late))
    return Exit.WRONG if wrong else Exit.GOOD


def _parts(target: Target, tx: Transaction) -> list[Part]:
    today = new_york_day(target.present(tx))
    return looked(
        tx,
        [
            ("Accounts", lambda: overview.accounts(tx, today=today)),
            ("Last runs", lambda: overview.last_runs(tx)),
            ("Open positions", lambda: overview.open_positions(tx)),
            ("Held before the first run, left alone", lambda: overview.left_alone(tx)),
            ("Orders placed by hand", lambda: overview.orders_by_hand(tx)),
            ("Open alerts", lambda: overview.open_alerts(tx)),
        ],
    )


def late_parts(target: Target, tx: Transaction) -> list[Part]:
    """Overdue runs, where a schedule on the wall clock owes any; a replay owes none."""
    place = target.place()
    if place.kind == "replay":
        return []
    # On the embedded server only an `ops up` of this state folder runs anything.
    is_up = place.server is not None or place.kind != "live" or target.home.is_up
    now = target.clock.now()
    return looked(tx, [("Overdue runs", lambda: late_runs.find(tx, now, is_up=is_up))])


COMMAND = Command(run)
