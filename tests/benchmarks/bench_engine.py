"""What the state machines cost by themselves: a tick with handlers that do nothing."""

import statistics
from typing import Any

from infra.definitions import load_machines
from ops_local.engine.engine import Engine
from tests.benchmarks.measuring import say, seconds

BOUND_MS = 50
ROUNDS = 200
ACCOUNTS = ["large", "tiny"]
TICK = {"tick": "2026-02-04T15:31:00Z"}


def answer(stage: str, _event: dict[str, Any]) -> dict[str, Any]:
    """What a machine needs to take its longest way."""
    if stage == "classifier":
        return {"status": "run", "remaining": 0, "budget_spent": 0}
    if stage != "market_clock":
        return {"status": "run"}
    return {
        "status": "run",
        "session": "open",
        "wait_s": 0,
        "accounts_entry": ACCOUNTS,
        "accounts_guard": ACCOUNTS,
    }


def ticks_ms(machine: str, rounds: int = ROUNDS) -> list[float]:
    """How long each run of the machine took, in order of length."""
    engine = Engine(load_machines(), answer)
    assert engine.run(machine, TICK).status == "SUCCEEDED"
    return sorted(seconds(lambda: engine.run(machine, TICK)) * 1000 for _ in range(rounds))


def main() -> None:
    for machine in ("trading_cycle", "position_cycle", "news_cycle"):
        took = ticks_ms(machine)
        bound = f"<= {BOUND_MS} ms" if machine == "trading_cycle" else ""
        say(f"{machine}, empty handlers, median", f"{statistics.median(took):.1f} ms", bound)
        say(f"{machine}, 19 of 20 under", f"{took[len(took) * 19 // 20]:.1f} ms")


if __name__ == "__main__":
    main()
