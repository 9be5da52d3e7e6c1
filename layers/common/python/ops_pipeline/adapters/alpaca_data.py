"""Bars and quotes from Alpaca's market data API, read as raw JSON.

alpaca-py's models bring pandas, and with them one unknown code in one item loses all
the others.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar

from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.adapters.items import described, read_each, text_of
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing
from ops_pipeline.domain.market import Bar, Quote, Quotes, Trade
from ops_pipeline.errors import MarketDataUnavailable

T = TypeVar("T")

_BARS_A_PAGE = 10_000
_MOST_PAGES = 500
# Keeps the request line well under what servers accept.
_TICKERS_A_REQUEST = 200
# Beyond it a price or a size is a mistake.
_MOST = 10**12
_BAD_REQUEST, _FORBIDDEN = 400, 403
# Of the vendor's words only the list right behind these names symbols: "is" and "not" may be some.
_REFUSED_SYMBOLS = re.compile(
    r"invalid symbols?\W*([a-z0-9./-]+(?:\s*,\s*[a-z0-9./-]+)*)", re.IGNORECASE
)


class _InvalidSymbols(MarketDataUnavailable):
    """A request that is refused for some of its symbols; caught before it leaves this module."""

    def named(self, tickers: Sequence[str]) -> list[str]:
        """Which of them the words name; the only one there was."""
        if len(tickers) == 1:
            return list(tickers)
        found = _REFUSED_SYMBOLS.search(str(self))
        words = set() if found is None else {it.strip().upper() for it in found[1].split(",")}
        return [ticker for ticker in tickers if ticker in words]

    def parts(self, tickers: Sequence[str]) -> list[Sequence[str]]:
        """What to ask for instead: those not named, or where none is the two halves."""
        if named := self.named(tickers):
            left = [ticker for ticker in tickers if ticker not in named]
            return [left] if left else []
        half = len(tickers) // 2
        return [tickers[:half], tickers[half:]]


class AlpacaMarketData:
    """One-minute bars and latest quotes of stocks.

    Args:
        url: Without the version, for example https://data.alpaca.markets.
        feed: iex (one exchange, free) or sip (all of them).
        renew: Reads the keys anew after a 401.
    """

    def __init__(
        self,
        *,
        url: str,
        key_id: str,
        secret_key: str,
        feed: Literal["iex", "sip"],
        renew: Renew | None = None,
    ) -> None:
        self._feed = feed
        self._wire = Wire(url, key_id, secret_key, renew)

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        """Bars with start <= ts < end, raw; a price that is no number comes as NaN.

        Raises:
            MarketDataUnavailable: no answer, a refusal in Alpaca's words, an answer that is
                not what its API promises, or one without a single legible item.
        """
        if start >= end:
            return Listing()
        question = {
            "timeframe": "1Min",
            "start": _text(start),
            # Alpaca's end is inclusive.
            "end": _text(end - timedelta(seconds=1)),
            "limit": str(_BARS_A_PAGE),
            "adjustment": "raw",
            "feed": self._feed,
        }
        refused: list[IllegibleItem] = []
        found = _legible(
            "bar",
            _bar,
            (
                (ticker, item)
                for page in self._pages("/stocks/bars", tickers, question, refused)
                for ticker, items in _section(page, "bars")
                for item in (items if isinstance(items, list) else [items])
                if item is not None
            ),
        )
        bars = [bar for bar in found if start <= bar.ts < end]
        return Listing(bars, [*found.illegible, *refused])

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        """The latest quote of each ticker, the unquoted left out, and beside it the last trade.

        Raises as `bars` does for quotes. Without trades they are judged by less.
        """
        refused: list[IllegibleItem] = []
        asked = {"feed": self._feed}
        found = _legible(
            "quote",
            _quote,
            (
                (ticker, item)
                for page in self._pages("/stocks/quotes/latest", tickers, asked, refused)
                for ticker, item in _section(page, "quotes")
                if item is not None
            ),
        )
        quoted = [quote.ticker for quote in found]
        trades, error = self._trades(quoted) if quoted else ({}, None)
        illegible = [*found.illegible, *refused]
        return Quotes({quote.ticker: quote for quote in found}, illegible, trades, error)

    def _trades(self, tickers: Sequence[str]) -> tuple[dict[str, Trade], str | None]:
        """The last trade of each ticker that has a valid one; why there are none."""
        try:
            found = [
                trade
                for page in self._pages("/stocks/trades/latest", tickers, {"feed": self._feed}, [])
                for ticker, item in _section(page, "trades")
                if (trade := _trade(ticker, item)) is not None
            ]
        except MarketDataUnavailable as error:
            return {}, str(error)
        return {trade.ticker: trade for trade in found}, None

    def _pages(
        self,
        path: str,
        tickers: Sequence[str],
        question: Mapping[str, str],
        refused: list[IllegibleItem],
    ) -> Iterator[Mapping[str, Any]]:
        """All pages; tickers that are refused are added to `refused` and cost no other its own."""
        for first in range(0, len(tickers), _TICKERS_A_REQUEST):
            some = tickers[first : first + _TICKERS_A_REQUEST]
            yield from self._of_valid(path, some, question, refused)

    def _of_valid(
        self,
        path: str,
        tickers: Sequence[str],
        question: Mapping[str, str],
        refused: list[IllegibleItem],
    ) -> Iterator[Mapping[str, Any]]:
        """The pages of one request; what is wrong with a ticker shows at the first page."""
        try:
            asked = {**question, "symbols": ",".join(tickers)}
            page = self._ask(path, asked)
        except _InvalidSymbols as error:
            kind: ItemKind = "bar" if path.endswith("bars") else "quote"
            refused += [_refused(kind, ticker, str(error)) for ticker in error.named(tickers)]
            for part in error.parts(tickers):
                yield from self._of_valid(path, part, question, refused)
            return
        for _ in range(_MOST_PAGES):
            yield page
            if not (token := page.get("next_page_token")):
                return
            page = self._ask(path, {**asked, "page_token": str(token)})
        raise MarketDataUnavailable(f"{path}: more than {_MOST_PAGES} pages")

    def _get(self, path: str, question: dict[str, str]) -> Any:
        """Bars and quotes are no account's: any pair of keys that is taken may read them."""
        try:
            return self._wire.get(path, question)
        except RequestRefused as refusal:
            if not (refusal.is_about_keys and self._wire.renew()):
                raise
        return self._wire.get(path, question)

    def _refusal(self, path: str, refusal: RequestRefused) -> MarketDataUnavailable:
        """The vendor's words, and what to do where they are about the plan."""
        said = f"{path}: {str(refusal)[:500]}"
        words = (refusal.words or "").lower()
        if refusal.status == _BAD_REQUEST and "invalid symbol" in words:
            return _InvalidSymbols(said)
        if refusal.status == _FORBIDDEN and "subscription" in words:
            return MarketDataUnavailable(
                f"{said}: the plan of these keys does not include the feed {self._feed}. Set "
                "ALPACA_DATA_FEED, or feed under [data] of ops.toml, to one that it does (the free "
                "plan has iex), or give DATA_ACCOUNT keys of another plan"
            )
        return MarketDataUnavailable(said)

    def _ask(self, path: str, question: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            answer = self._get(path, dict(question))
        except RequestRefused as refusal:
            raise self._refusal(path, refusal) from None
        except (NotSent, NoAnswer) as error:
            raise MarketDataUnavailable(f"{path}: {str(error)[:500]}") from None
        if not isinstance(answer, dict):
            raise MarketDataUnavailable(f"{path}: the answer is no JSON object")
        return answer


def _refused(kind: ItemKind, ticker: str, why: str) -> IllegibleItem:
    return IllegibleItem(kind=kind, name=ticker, reason=why, content="", symbol=ticker)


def _section(page: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    if name not in page or not isinstance(section := page[name], dict | None):
        raise MarketDataUnavailable(f"the answer has no {name} by ticker")
    yield from (section or {}).items()


def _legible(
    kind: ItemKind, parse: Callable[[str, Any], T], items: Iterator[tuple[str, Any]]
) -> Listing[T]:
    """Each ticker's items, each read by itself."""
    found = read_each(items, lambda pair: parse(*pair), partial(_described, kind))
    if found.illegible and not found:
        raise MarketDataUnavailable(f"nothing is legible: {found.illegible[0]}")
    return found


def _described(kind: ItemKind, pair: Any, reason: str) -> IllegibleItem:
    ticker, item = pair
    names = (ticker, text_of(item, "t") if kind == "bar" else None)
    symbol = text_of({"symbol": ticker}, "symbol")
    return described(kind, item, reason, name=" ".join(filter(None, names)), symbol=symbol)


def _bar(ticker: str, item: Mapping[str, Any]) -> Bar:
    return Bar(
        ticker=ticker,
        ts=_moment(item["t"]),
        open=_price(item["o"]),
        high=_price(item["h"]),
        low=_price(item["l"]),
        close=_price(item["c"]),
        volume=_whole(item["v"]),
    )


def _quote(ticker: str, item: Mapping[str, Any]) -> Quote:
    bid, ask = _price(item["bp"]), _price(item["ap"])
    if not (bid.is_finite() and ask.is_finite()):
        raise ValueError("bid or ask is no number")
    bids, asks = _whole(item["bs"]), _whole(item["as"])
    # No side of a quote is negative; an empty one is 0.
    figures = (bid, ask, Decimal(bids), Decimal(asks))
    if min(figures) < 0 or max(figures) >= _MOST:
        raise ValueError("a price or a size is below 0 or out of all bounds")
    return Quote(ticker, _moment(item["t"]), bid, bids, ask, asks)


def _trade(ticker: str, item: Any) -> Trade | None:
    """None for a trade that was cancelled or corrected since, and for one that is not legible."""
    if not isinstance(item, Mapping) or item.get("u") in ("canceled", "incorrect"):
        return None
    price = _price(item.get("p"))
    try:
        seen = _moment(str(item.get("t")))
    except ValueError:
        return None
    return Trade(ticker, seen, price) if price.is_finite() and price > 0 else None


def _price(value: object) -> Decimal:
    """The shortest decimal that reads back as the same float; NaN for anything else."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(repr(value)) if number else Decimal("NaN")


def _whole(value: object) -> int:
    """A number of shares; no text, which would be read as leniently as Python reads its own."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a number of shares is no number")
    return int(value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
