"""`ops status`: accounts, the last run of each stage, open positions and alerts."""

from ops_local.commandline.command import Command, VerbCall
from ops_local.summary import Part
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.market import new_york_day


def run(call: VerbCall) -> int:
    """Return 0 if nothing is wrong, 1 if an alert is open or a last run failed."""
    target = call.target
    with target.reading("ops-status") as tx:
        call.announce(tx)
        parts = [
            Part("Accounts", overview.accounts(tx, today=new_york_day(target.present(tx)))),
            Part("Last runs", overview.last_runs(tx)),
            Part("Open positions", overview.open_positions(tx)),
            Part("Orders placed by hand", overview.orders_by_hand(tx)),
            Part("Open alerts", overview.open_alerts(tx)),
        ]
    call.print_parts(parts)
    failed = any(row.get("status") == "failed" for part in parts for row in part.rows)
    return 1 if failed or parts[-1].rows else 0


COMMAND = Command(run)
