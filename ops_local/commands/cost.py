"""`ops cost`: the monthly cost of a deployment, of alternatives, and what fits on the disk."""

import sys
from dataclasses import replace

from infra.cost import BUDGET_USD_DAY, fargate_loop, load_prices, month
from infra.deployment import Deployment
from infra.disk import YEARS, room
from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall

_DAYS = 30
_MEASURED = """
SELECT stage, avg(duration_ms) / 1000 AS seconds
FROM pipeline_runs JOIN run_timings USING (run_id)
WHERE tick > (SELECT max(tick) FROM pipeline_runs) - interval '1 day'
GROUP BY stage
"""


def run(call: VerbCall) -> int:
    """Return 0 within the budget of $1 a day, 1 above it; --stack uses measured run times."""
    prices = load_prices()
    chosen = Deployment()
    measured_s = _measured(call.target.stack) if call.target.stack else {}
    lines = month(chosen, prices, measured_s)
    total = sum(line.usd for line in lines)
    other = month(replace(chosen, nat="gateway"), prices, measured_s)
    gateway = sum(line.usd for line in other)
    facts = {
        "lines": {line.what: round(line.usd, 2) for line in lines},
        "month_usd": round(total, 2),
        "day_usd": round(total / _DAYS, 3),
        "with_nat_gateway_usd": round(gateway, 2),
        "fargate_loop_without_database_usd": round(fargate_loop(prices), 2),
        "prices_as_of": prices["as_of"],
        "disk_gib": chosen.storage_gib,
        "tickers_the_disk_takes": room(chosen.storage_gib).tickers,
    }
    if call.json:
        call.print_json(facts)
    else:
        sys.stdout.write(_table(facts))
    return 0 if total / _DAYS <= BUDGET_USD_DAY else 1


def _measured(stack: str) -> dict[str, float]:
    """Average seconds of a call by stage, on the last day that the stack ran."""
    found = deployed.StackReader(stack).rows(_MEASURED)
    return {row["stage"]: float(row["seconds"]) for row in found}


def _table(facts: dict[str, object]) -> str:
    lines = facts["lines"]
    assert isinstance(lines, dict)  # noqa: S101 - put there by run
    shown = [f"{what:20} {usd:8.2f}" for what, usd in lines.items()]
    shown.append(f"{'a month, USD':20} {facts['month_usd']:8.2f}   a day {facts['day_usd']}")
    shown.append(f"{'with a NAT gateway':20} {facts['with_nat_gateway_usd']:8.2f}")
    shown.append(
        f"{'a Fargate loop':20} {facts['fargate_loop_without_database_usd']:8.2f}"
        "   instead of NAT, functions and machines"
    )
    shown.append(
        f"a disk of {facts['disk_gib']} GiB holds {facts['tickers_the_disk_takes']} tickers"
        f" and {YEARS} years of the tables that are never deleted"
    )
    shown.append(f"list prices of {facts['prices_as_of']}; without free trials and tax")
    return "\n".join(shown) + "\n"


COMMAND = Command(run)
