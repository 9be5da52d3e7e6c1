"""A second bar vendor: one-minute bars from a CSV, as in bars.csv, and its registration.

It has no quotes, so it leaves every ticker out there, and the gates refuse entries without one:
a vendor never makes up what it does not have.
"""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import NEW_YORK, Bar, Quotes
from ops_pipeline.errors import MarketDataUnavailable, SettingsInvalid
from ops_pipeline.ports import MarketData
from ops_pipeline.runtime.registry import Access, BarVendor, register_bar_vendor

_PRICES = ("open", "high", "low", "close")


class CsvBars:
    """ports.MarketData from a file with ticker, time (New York), open, high, low, close, volume."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        wanted = (bar for bar in self._read() if bar.ticker in tickers)
        return Listing(bar for bar in wanted if start <= bar.ts < end)

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        del tickers  # nobody is quoted
        self._read()
        return Quotes()

    def _read(self) -> list[Bar]:
        try:
            with self._file.open(encoding="utf-8", newline="") as file:
                return [_bar(row) for row in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, InvalidOperation) as error:
            raise MarketDataUnavailable(f"{self._file.name}: {error}") from error


def _bar(row: dict[str, str]) -> Bar:
    at = datetime.fromisoformat(row["time"]).replace(tzinfo=NEW_YORK)
    prices = {name: Decimal(row[name]) for name in _PRICES}
    return Bar(row["ticker"], at.astimezone(UTC), volume=int(row["volume"]), **prices)


def register() -> None:
    """Let MARKET_DATA_VENDOR=csv read the file that CSV_BARS names."""

    def build(access: Access) -> MarketData:
        if not (file := access.variables.get("CSV_BARS")):
            raise SettingsInvalid("CSV_BARS is not set")
        return CsvBars(Path(file))

    register_bar_vendor("csv", BarVendor(feed=lambda _settings: "csv_file", build=build))
