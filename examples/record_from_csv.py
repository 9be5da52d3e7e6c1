"""Makes a recording, which `ops replay` plays, from a CSV of one-minute bars.

    .venv/bin/python examples/record_from_csv.py examples/bars.csv my-day --vix 17.5
    .venv/bin/ops replay my-day

The CSV has the columns ticker, time, open, high, low, close, volume; `time` is the start of the
minute in New York, for example 2026-02-04 09:30. Such files hold no quotes, and without quotes
every entry is refused: so quotes are made up around each close, and the recording says so.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from ops_local.recordings.recording import InvalidRecording, Recording, load, write
from ops_pipeline.domain.market import NEW_YORK, Bar, Quote, new_york_day

PRICES = ("open", "high", "low", "close")
CENT = Decimal("0.01")
SHARES_QUOTED = 500


def bars_in(file: Path) -> Iterator[Bar]:
    """The file's rows in its order. Raises ValueError with the line that makes no bar."""
    with file.open(newline="") as text:
        for number, row in enumerate(csv.DictReader(text), start=2):
            try:
                began = datetime.fromisoformat(row["time"]).replace(tzinfo=NEW_YORK)
                first, high, low, last = (Decimal(row[name]) for name in PRICES)
                yield Bar(
                    row["ticker"], began.astimezone(UTC), first, high, low, last, int(row["volume"])
                )
            except (KeyError, TypeError, ValueError, InvalidOperation) as error:
                raise ValueError(f"{file}, line {number}: {row} is no bar: {error!r}") from error


def quote_around(bar: Bar, half_spread: Decimal) -> Quote:
    """A made-up quote at a bar's end: its close, half a spread to each side, in whole cents."""
    away = max(CENT, (bar.close * half_spread).quantize(CENT, ROUND_HALF_UP))
    close = bar.close.quantize(CENT, ROUND_HALF_UP)
    return Quote(bar.ticker, bar.ts, close - away, SHARES_QUOTED, close + away, SHARES_QUOTED)


def recording_of(file: Path, folder: Path, *, spread_bp: Decimal, vix: float | None) -> Recording:
    by_ticker: dict[str, list[Bar]] = {}
    for bar in bars_in(file):
        by_ticker.setdefault(bar.ticker, []).append(bar)
    for bars in by_ticker.values():
        bars.sort(key=lambda bar: bar.ts)
    half_spread = spread_bp / 2 / 10_000
    return Recording(
        folder=folder,
        day=_only_day(by_ticker),
        tickers=tuple(sorted(by_ticker)),
        # True marks a day whose prices nobody traded at; these bars are what they are, and the
        # source says which part is made up.
        synthetic=False,
        source=f"bars of {file.name}; quotes made up, {spread_bp} basis points wide",
        vix_previous_close=vix,
        bars=by_ticker,
        quotes={
            ticker: [quote_around(bar, half_spread) for bar in bars]
            for ticker, bars in by_ticker.items()
        },
        news=[],
    )


def _only_day(by_ticker: dict[str, list[Bar]]) -> date:
    days = {new_york_day(bar.ts) for bars in by_ticker.values() for bar in bars}
    if len(days) != 1:
        found = ", ".join(map(str, sorted(days))) or "no bars"
        raise ValueError(f"a recording is one New York day; the file has {found}")
    return days.pop()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Make a recording from a CSV of one-minute bars.")
    parser.add_argument("bars", type=Path, metavar="CSV")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the recording goes")
    parser.add_argument("--spread-bp", type=Decimal, default=Decimal(4), metavar="BP",
                        help="width of the quotes in basis points (4)")  # fmt: skip
    parser.add_argument("--vix", type=float, help="close of the volatility index the day before")
    asked = parser.parse_args(arguments)
    try:
        write(recording_of(asked.bars, asked.folder, spread_bp=asked.spread_bp, vix=asked.vix))
        # Read back by the code that will read it: what it cannot use is said now.
        made = load(asked.folder)
    except (OSError, ValueError, InvalidRecording) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    count = sum(map(len, made.bars.values()))
    sys.stdout.write(f"{made.day}: {count} bars of {', '.join(made.tickers)} in {asked.folder}\n")
    sys.stdout.write(f"Replay it: .venv/bin/ops replay {asked.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
