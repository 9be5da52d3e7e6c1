"""How many recorded bars PriceRules.bar_distance keeps aside, and how far bars moved.

    python -m ops_local.recordings.bar_bounds RECORDING...

Each regular-hours bar is judged twice, as telemetry would: when it is the newest, by the bar
before it alone, and once the bar after it is there. Quotes, which a live run asks as well where
the first look doubts, are left out: modelled ones would bear out any bar.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops_local.recordings.quote_bounds import BASIS_POINTS, with_sessions
from ops_local.recordings.recording import Recording
from ops_pipeline.domain.market import Bar, Session
from ops_pipeline.domain.parameters import PriceRules, TelemetryRules
from ops_pipeline.domain.prices.bar_plausibility import judge_bars
from ops_pipeline.domain.prices.plausibility import Evidence


@dataclass(frozen=True, slots=True)
class BarMove:
    """One bar: how far it is off the bar before, a minute's worth of it, in basis points.

    Attributes:
        at_first: Kept aside while it is the newest.
        for_good: Kept aside also beside the bar after it.
    """

    off: float
    at_first: bool
    for_good: bool


def measure(recording: Recording, session: Session, rules: PriceRules) -> Iterator[BarMove]:
    """Judge every bar of the session that has one before it."""
    for bars in recording.bars.values():
        for before, bar, after in zip(bars, bars[1:], [*bars[2:], None], strict=False):
            if session.is_open(bar.ts):
                both = [bar] if after is None else [bar, after]
                yield BarMove(
                    _off(before, bar),
                    _is_doubted(before, [bar], session, rules),
                    _is_doubted(before, both, session, rules),
                )


def _off(before: Bar, bar: Bar) -> float:
    minutes = max((bar.ts - before.ts).total_seconds() / 60, 1.0)
    off: float = float(abs(bar.close / before.close - 1)) / minutes**0.5
    return off * BASIS_POINTS


def _is_doubted(before: Bar, bars: Sequence[Bar], session: Session, rules: PriceRules) -> bool:
    known = {before.ticker: Evidence.of_bar(before)}
    judged = judge_bars(bars, known, {}, session=session, prices=rules, jumps=TelemetryRules())
    return bars[0] in judged.doubted


def main(folders: Sequence[str]) -> int:
    """Print a line for each recording."""
    rules = PriceRules()
    total: Counter[str] = Counter()
    for folder, recording, session in with_sessions(folders):
        total += _print(folder, list(measure(recording, session, rules)))
    share = 100 / max(total["bars"], 1)
    sys.stdout.write(
        f"all: {dict(total)}; {total['at first'] * share:.4f} % at first,"
        f" {total['for good'] * share:.4f} % for good\n"
    )
    return 0


def _print(folder: str, found: Sequence[BarMove]) -> Counter[str]:
    counts = Counter(
        {
            "bars": len(found),
            "at first": sum(it.at_first for it in found),
            "for good": sum(it.for_good for it in found),
        }
    )
    moves = sorted(it.off for it in found)
    shown = " ".join(
        f"{moves[min(int(len(moves) * share), len(moves) - 1)]:.1f}"
        for share in (0.5, 0.99, 0.999, 1.0)
    )
    sys.stdout.write(
        f"{folder}: {dict(counts)}; basis points off the bar before at 50, 99, 99.9 and"
        f" 100 %: {shown}\n"
    )
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
