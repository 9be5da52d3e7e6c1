"""The halts of trading of a recorded day: halts.csv, read strictly."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ops_local.recordings.tables import InvalidRecording, iso, moment_of, text_of
from ops_pipeline.domain.legible import is_legible
from ops_pipeline.domain.market_state.trading_halts import EVERY_TICKER, is_market_wide

COLUMNS = ("ticker", "halted_at", "resumed_at", "reason")


@dataclass(frozen=True, slots=True)
class RecordedHalt:
    """One halt; `ticker` * is the whole market, `resumed_at` None: not on that day."""

    ticker: str
    halted_at: datetime
    resumed_at: datetime | None
    reason: str

    def covers(self, ticker: str, moment: datetime) -> bool:
        """Whether nothing trades in the ticker at that moment."""
        ended = self.resumed_at is not None and self.resumed_at <= moment
        return self.ticker in (ticker, EVERY_TICKER) and self.halted_at <= moment and not ended


def read_halts(file: Path, tickers: Sequence[str]) -> list[RecordedHalt]:
    """Ascending in `halted_at`. Raises InvalidRecording."""
    rows = list(csv.reader(io.StringIO(text_of(file), newline="")))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InvalidRecording(f"{file}, line 1: expected the header {','.join(COLUMNS)}")
    found = [
        _halt(row, f"{file}, line {number}", {*tickers, EVERY_TICKER})
        for number, row in enumerate(rows[1:], start=2)
    ]
    return sorted(found, key=lambda halt: (halt.halted_at, halt.ticker))


def write_halts(file: Path, halts: Sequence[RecordedHalt]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        for halt in halts:
            ends = "" if halt.resumed_at is None else iso(halt.resumed_at)
            writer.writerow((halt.ticker, iso(halt.halted_at), ends, halt.reason))


def _halt(row: Sequence[str], place: str, known: set[str]) -> RecordedHalt:
    if len(row) != len(COLUMNS) or row[0] not in known:
        raise InvalidRecording(f"{place}: expected {', '.join(COLUMNS)} of a known ticker or *")
    ticker, halted, resumed, reason = row
    if not reason or len(reason) > 200 or not reason.isprintable() or not is_legible(reason):
        raise InvalidRecording(f"{place}: expected a reason of at most 200 characters")
    if (ticker == EVERY_TICKER) != is_market_wide(reason):
        raise InvalidRecording(f"{place}: expected * with a reason as MWC1, and only with one")
    try:
        halted_at, resumed_at = moment_of(halted), moment_of(resumed) if resumed else None
    except ValueError as error:
        raise InvalidRecording(f"{place}: expected times like 2026-02-04T14:31:00Z") from error
    if resumed_at is not None and resumed_at < halted_at:
        raise InvalidRecording(f"{place}: expected resumed_at after halted_at")
    return RecordedHalt(ticker, halted_at, resumed_at, reason)
