"""How slow this machine is at the moment, so that a bound in seconds means the same everywhere.

`python tests/support/machine.py SECONDS` prints what so many seconds are here.
"""

import sys
import time
from pathlib import Path

# What the loop below takes on a core of 3 GHz that does nothing else, with Python 3.11.
_REFERENCE_S = 0.35
_ROUNDS = 5_000_000
# Slower than that and figures in seconds say nothing any more.
_MOST = 4.0


def slowness() -> float:
    """How many times as long as the reference this machine takes now; at least 1, at most 4."""
    began = time.perf_counter()
    total = 0
    for number in range(_ROUNDS):
        total += number * number
    return min(max(1.0, (time.perf_counter() - began) / _REFERENCE_S), _MOST)


def within(took_s: float, most_s: float) -> bool:
    """Whether something took less than that, as on a machine of the reference's speed."""
    return took_s < most_s or took_s < most_s * slowness()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.stderr.write(f"usage: {Path(__file__).name} SECONDS\n")
        return 2
    sys.stdout.write(f"{int(arguments[0]) * slowness():.0f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
