"""How many recorded quotes the bounds of PriceRules refuse, and how wide quotes were.

    python -m ops_local.recordings.quote_bounds RECORDING...

Each regular-hours quote is judged as the guard would at the end of its minute, beside the bar
of the minute before: the newest that is surely stored by then.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ops_local.recordings.recording import Recording, load
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.market import MINUTE, Bar, Quote, Session
from ops_pipeline.domain.parameters import GateRules, PriceRules
from ops_pipeline.domain.prices.plausibility import Evidence, JudgedQuote, judge

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class QuoteWidths:
    """One judged quote: what its bounds would have had to be, in basis points of its mid."""

    judged: JudgedQuote
    spread: float
    distance: float


def with_sessions(folders: Sequence[str]) -> Iterator[tuple[str, Recording, Session]]:
    """Each recording with the session of its day; ends the program where there was none."""
    calendar = NyseCalendar()
    for folder in folders:
        recording = load(Path(folder))
        session = calendar.session(recording.day)
        if session is None:
            raise SystemExit(f"{folder}: no session on {recording.day}")
        yield folder, recording, session


def measure(recording: Recording, session: Session, rules: PriceRules) -> Iterator[QuoteWidths]:
    """Judge every quote of the session."""
    most_age_s = GateRules().quote_age_s
    for ticker, quotes in recording.quotes.items():
        for quote, bars in _with_bars(quotes, recording.bars[ticker]):
            known = replace(quote, ts=quote.ts + MINUTE)
            if not session.is_open(quote.ts):
                continue
            evidence = [Evidence.of_bar(bar) for bar in bars]
            judged = judge(
                known,
                evidence,
                now=known.ts,
                session=session,
                rules=rules,
                most_age_s=most_age_s,
            )
            yield QuoteWidths(judged, *_widths(known, judged))


def _with_bars(quotes: Sequence[Quote], bars: Sequence[Bar]) -> Iterator[tuple[Quote, list[Bar]]]:
    """Each quote with the newest bar of an earlier minute, if there is one."""
    known = 0
    for quote in quotes:
        while known < len(bars) and bars[known].ts < quote.ts:
            known += 1
        yield quote, list(bars[known - 1 : known]) if known else []


def _widths(quote: Quote, judged: JudgedQuote) -> tuple[float, float]:
    if not quote.usable:
        return float("inf"), float("inf")
    off = abs(quote.mid / judged.anchor - 1) if judged.anchor else 0
    return float((quote.ask - quote.bid) / quote.mid) * BASIS_POINTS, float(off) * BASIS_POINTS


def main(folders: Sequence[str]) -> int:
    """Print a line for each recording."""
    rules = PriceRules()
    total: Counter[str] = Counter()
    for folder, recording, session in with_sessions(folders):
        total += _print(folder, list(measure(recording, session, rules)))
    sys.stdout.write(f"all: {dict(total)}\n")
    return 0


def _print(folder: str, found: Sequence[QuoteWidths]) -> Counter[str]:
    doubts = Counter(
        "believed" if it.judged.doubt is None else it.judged.doubt.kind for it in found
    )
    spreads, distances = sorted(it.spread for it in found), sorted(it.distance for it in found)
    shares = (0.5, 0.99, 0.999, 1.0)
    spread, distance = (
        " ".join(f"{it[min(int(len(it) * share), len(it) - 1)]:.1f}" for share in shares)
        for it in (spreads, distances)
    )
    sys.stdout.write(
        f"{folder}: {dict(doubts)}; basis points at 50, 99, 99.9 and 100 %: "
        f"spread {spread}, off the bar {distance}\n"
    )
    return Counter(doubts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
