"""A gate of your own: refuses entries whose quote is wide, and replays a morning with it.

    .venv/bin/python examples/custom_gate.py
    .venv/bin/python examples/custom_gate.py --widest-bp 2 --until 12:00

A gate is a function of facts and rules, registered under the name that its verdicts are stored
by. It stands beside the built-in ones in every row, and `ops explain` shows it like them. To run
it everywhere, import its module where the dispatcher's handler is imported.
"""

import argparse
import os
import sys
from datetime import time
from pathlib import Path

from ops_local.commands.replay import read_summary
from ops_local.home import Home, home_of
from ops_local.replay import ReplayPlan, replay
from ops_local.synthetic import generate
from ops_pipeline.domain.gates import GateFacts, Verdict, register
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.parameters import GateRules

NAME = "narrow_quote"
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def narrow_quote(widest_bp: float) -> None:
    """Register the gate with its limit, in basis points of the middle of the quote."""

    @register(NAME)
    def gate(facts: GateFacts, _: GateRules) -> Verdict:
        if facts.quote is None or not facts.quote.usable:
            # What is not known refuses; that is the rule for every gate.
            return Verdict(False, "Quote unknown: refused", None, widest_bp)
        spread = facts.quote.ask - facts.quote.bid
        observed = round(float(spread / facts.quote.mid) * 10_000, 2)
        word = "within" if observed <= widest_bp else "over"
        reason = f"Quote {observed:g} bp wide, {word} {widest_bp:g} bp"
        return Verdict(observed <= widest_bp, reason, observed, widest_bp)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Replay a morning with a gate of your own.")
    parser.add_argument("--widest-bp", type=float, default=1.2, metavar="BP",
                        help="widest quote that may be entered on, basis points (1.2)")  # fmt: skip
    parser.add_argument("--until", type=time.fromisoformat, default=time(11, 10), metavar="HH:MM",
                        help="end of the replay, New York (11:10)")  # fmt: skip
    asked = parser.parse_args(arguments)
    narrow_quote(asked.widest_bp)
    # A state folder of its own, so that the replays of `ops demo` stay as they are.
    home = Home(home_of(os.environ).folder / "examples")
    recording = generate(home.recording("morning"), n_tickers=8)
    last = new_york_time(recording.day, asked.until.hour, asked.until.minute)
    plan = ReplayPlan(recording, home, MIGRATIONS, last=last)
    done = replay(plan, lambda *_: None, after=lambda urls: read_summary(urls.reader))
    for part in done.result:
        if part.title in ("Recommendations", "Refused by gate"):
            sys.stdout.write(f"{part.title}\n")
            for row in part.rows:
                sys.stdout.write(f"  {', '.join(f'{key} {value}' for key, value in row.items())}\n")
    return 1 if done.tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
