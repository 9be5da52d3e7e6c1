"""`ops status`: accounts, each stage's last run, what is overdue, open positions and alerts."""

from ops_local import late_runs
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.target import Target
from ops_local.summary import Part
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.market import new_york_day


def run(call: VerbCall) -> int:
    """Return 0 if nothing is wrong, 1 if an alert is open, or a last run failed or is overdue."""
    target = call.target
    with target.reading("ops-status") as tx:
        call.announce(tx)
        parts = [
            Part("Accounts", overview.accounts(tx, today=new_york_day(target.present(tx)))),
            Part("Last runs", overview.last_runs(tx)),
            Part("Open positions", overview.open_positions(tx)),
            Part("Held before the first run, left alone", overview.left_alone(tx)),
            Part("Orders placed by hand", overview.orders_by_hand(tx)),
            Part("Open alerts", overview.open_alerts(tx)),
        ]
        late = late_parts(target, tx)
    call.print_parts([*parts, *late])
    failed = any(row.get("status") == "failed" for part in parts for row in part.rows)
    return 1 if failed or any(part.rows for part in (parts[-1], *late)) else 0


def late_parts(target: Target, tx: Transaction) -> list[Part]:
    """Overdue runs, where a schedule on the wall clock owes any; a replay owes none."""
    place = target.place()
    if place.kind == "replay":
        return []
    # On the embedded server only an `ops up` of this state folder runs anything.
    is_up = place.server is not None or place.kind != "live" or target.home.is_up
    return [Part("Overdue runs", late_runs.find(tx, target.clock.now(), is_up=is_up))]


COMMAND = Command(run)
