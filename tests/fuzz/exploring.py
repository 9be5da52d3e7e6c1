"""Runs a door's check over generated inputs: a seeded slice, or for as long as one has."""

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
# `make fuzz` sets it; without it each door has one seeded slice.
SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
_A_ROUND = 500


def explore(inputs: SearchStrategy[T], check: Callable[[T], None], *, a_slice: int = 60) -> None:
    """Check generated inputs: `a_slice` of them, or rounds with other seeds until time is up.

    A failure shows the smallest input that was found and the seed that it came with.
    """
    until, round_no = time.monotonic() + SECONDS, 0
    seen = 0

    def counted(value: T) -> None:
        nonlocal seen
        seen += 1
        check(value)

    while True:
        run = settings(
            max_examples=_A_ROUND if SECONDS else a_slice,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )(given(inputs)(counted))
        seed(round_no)(run)()
        round_no += 1
        if time.monotonic() >= until:
            break
    if SECONDS:
        sys.stderr.write(f"\n{check.__name__}: {seen} inputs in {SECONDS:.0f} s, nothing found\n")
