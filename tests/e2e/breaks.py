"""Break one thing of the deployment at a time and see that the deployed stack's tests notice.

`make e2e-breaks` runs this. What is broken is the copy of the checkout that is deployed, named
to the tests by OPS_E2E_BREAK; the tree itself is not touched.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from infra.synth import ROOT

VARIABLE = "OPS_E2E_BREAK"
_TIMEOUT_S = 900


@dataclass(frozen=True)
class Break:
    """One text of one file, and what it becomes."""

    file: str
    old: str
    new: str

    def apply(self, checkout: Path) -> None:
        file = checkout / self.file
        text = file.read_text(encoding="utf-8")
        if self.old not in text:
            raise LookupError(f"{self.file} has no {self.old!r}")
        file.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


# Each is right in form, so that only running the stack can tell.
BREAKS = {
    "handler": Break(
        "infra/stacks/functions.py",
        "handler=function.handler,",
        'handler=function.handler.replace("telemetry", "telemetries"),',
    ),
    "grant": Break(
        "migrations/0043_give_each_group_a_login.sql",
        "GRANT INSERT ON inbound_events_classified TO ops_pipeline_news;",
        "GRANT INSERT ON inbound_events_classified TO ops_pipeline_market;",
    ),
    "environment": Break(
        "infra/stacks/functions.py",
        '"DB_SECRET_ID": secret_name(deployment, function.login),',
        '"DB_SECRET_ID": secret_name(deployment, "reader"),',
    ),
    # Only a superuser may do this: it works on one machine, and not as RDS's kind of owner.
    "migration": Break(
        "migrations/0044_keep_adopted_orders_unsent.sql",
        "ALTER TABLE orders ADD",
        "SET LOCAL session_replication_role = 'origin';\nALTER TABLE orders ADD",
    ),
    "machine": Break(
        "infra/statemachines/trading_cycle.asl.json", "${MarketClockArn}", "${TelemetryArn}"
    ),
}


def break_of_environment(checkout: Path) -> None:
    """Break the copy as the environment variable says; without it nothing changes."""
    name = os.environ.get(VARIABLE)
    if name:
        BREAKS[name].apply(checkout)


def _noticed(name: str) -> bool:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "e2e", "--tb=short", "tests/e2e"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    took = time.monotonic() - began
    # 1: tests ran and failed. Anything else is not the stack's word.
    told = [each for each in done.stdout.splitlines() if each.startswith(("FAILED", "ERROR"))]
    red = done.returncode == 1 and bool(told)
    _say(f"{name}: {'red' if red else 'NOT NOTICED'} after {took:.0f} s")
    for line in told or done.stdout.splitlines()[-5:]:
        _say(f"  {line[:300]}")
    return red


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what it is for


def main(names: list[str]) -> int:
    """Exit code 0 when each break was noticed."""
    unnoticed = [name for name in names or BREAKS if not _noticed(name)]
    return int(bool(unnoticed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
