"""Reads files of securities: SEC's company_tickers.json (or _exchange.json), and a user's CSV."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from ops_local.given_files import csv_rows, json_of
from ops_pipeline.domain.news.security_import import (
    EXCHANGES,
    KINDS,
    TICKER,
    Exchange,
    ListedSecurity,
    Security,
    canonical_ticker,
    cik_of,
)
from ops_pipeline.domain.news.security_names import is_broker_name
from ops_pipeline.errors import InvalidInput

COLUMNS = (
    "ticker", "name", "aliases", "exchange", "kind", "is_broker", "needs_context", "active", "cik",
    "valid_from", "valid_to", "renamed_to", "names_to",
)  # fmt: skip
_BETWEEN_ALIASES = "|"
_SEC_EXCHANGES: dict[str, Exchange] = {
    "nasdaq": "NASDAQ",
    "nyse": "NYSE",
    "cboe": "BATS",
    "otc": "OTC",
}
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def read_sec(path: Path) -> list[ListedSecurity]:
    """The securities of SEC's file, in its order.

    Raises:
        InvalidInput: it has neither of SEC's two formats; names the entry that is wrong.
    """
    entries = _entries(json_of(path))
    listed = [_listed(path.name, at, entry) for at, entry in enumerate(entries)]
    if not listed:
        raise InvalidInput(f"{path.name}: no entries of SEC's company_tickers.json")
    return listed


def read_csv(path: Path) -> list[Security]:
    """The securities of a CSV with a header; only `ticker` and `name` are required.

    Raises:
        InvalidInput: names the line and what is wrong with it; nothing of the file is used.
    """
    rows = csv_rows(path, columns=COLUMNS, required=COLUMNS[:2])
    found = [_security(f"{path.name}, line {line}", row) for line, row in rows]
    times = Counter(one.ticker for one in found)
    twice = sorted(ticker for ticker, count in times.items() if count > 1)
    if twice:
        raise InvalidInput(f"{path.name}: more than one line for {', '.join(twice)}")
    return found


def _entries(document: Any) -> Iterator[dict[str, Any]]:
    """company_tickers.json is an object of entries; _exchange.json has columns and rows."""
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        fields = document.get("fields", [])
        yield from (dict(zip(fields, row, strict=False)) for row in document["data"])
    elif isinstance(document, dict):
        yield from document.values()


def _listed(file: str, at: int, entry: Any) -> ListedSecurity:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{file}: entry {at} is not an object")
    title, company = entry.get("title", entry.get("name")), entry.get("cik_str", entry.get("cik"))
    ticker = entry.get("ticker")
    if not isinstance(title, str) or not isinstance(ticker, str) or company is None:
        raise InvalidInput(f"{file}: entry {at} has no ticker, name or cik")
    exchange = _SEC_EXCHANGES.get(str(entry.get("exchange")).casefold(), "UNKNOWN")
    return ListedSecurity(ticker, title, str(company), exchange)


def _security(where: str, row: dict[str, str | None]) -> Security:
    text = {column: (row.get(column) or "").strip() for column in COLUMNS}
    if None in row or not text["name"]:
        raise InvalidInput(f"{where}: no name, or more fields than the header")
    ticker = canonical_ticker(text["ticker"])
    if not TICKER.fullmatch(ticker):
        raise InvalidInput(f"{where}: {text['ticker']!r} is not a symbol")
    exchange, kind = text["exchange"].upper() or "UNKNOWN", text["kind"].lower() or "stock"
    if exchange not in EXCHANGES or kind not in KINDS:
        raise InvalidInput(f"{where}: exchange {exchange} or kind {kind} is unknown")
    aliases = (alias.strip() for alias in text["aliases"].split(_BETWEEN_ALIASES))
    return Security(
        ticker=ticker,
        name=text["name"],
        aliases=tuple(alias for alias in aliases if alias),
        exchange=exchange,
        kind=kind,
        is_broker=_flag(where, text["is_broker"], unless=is_broker_name(text["name"])),
        name_needs_context=_flag(where, text["needs_context"], unless=False),
        active=_flag(where, text["active"], unless=True),
        cik=_cik(where, text["cik"]),
        valid_from=_day(where, text["valid_from"]),
        valid_to=_day(where, text["valid_to"]),
        renamed_to=canonical_ticker(text["renamed_to"]) or None,
        names_to=_day(where, text["names_to"]),
    )


def _cik(where: str, written: str) -> str | None:
    if written and cik_of(written) is None:
        raise InvalidInput(f"{where}: {written!r} is no CIK")
    return cik_of(written)


def _day(where: str, written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError as error:
        raise InvalidInput(f"{where}: {written!r} is no date like 2022-06-09") from error


def _flag(where: str, written: str, *, unless: bool) -> bool:
    if not written:
        return unless
    if written.casefold() not in _YES | _NO:
        raise InvalidInput(f"{where}: {written!r} is neither true nor false")
    return written.casefold() in _YES
