"""Bars and quotes from Alpaca's market data API, read as raw JSON.

alpaca-py's models bring pandas, and with them one unknown code in one item loses all
the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar

from ops_pipeline.adapters.alpaca_symbols import InvalidSymbols, SymbolRequests
from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.adapters.items import described, read_each, text_of
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing, is_legible
from ops_pipeline.domain.market import Bar, Quote, Quotes, Trade
from ops_pipeline.errors import MarketDataUnavailable

T = TypeVar("T")

_BARS_A_PAGE = 10_000
# Beside as many as bars of each minute fill: pages may be short.
_SPARE_PAGES = 10
# Beyond it a price or a size is a mistake.
_MOST = 10**12
_BAD_REQUEST, _FORBIDDEN, _UNPROCESSABLE = 400, 403, 422


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
        minutes = (end - start).total_seconds() / 60
        most_pages = _SPARE_PAGES + int(2 * len(tickers) * minutes / _BARS_A_PAGE)
        requests = SymbolRequests("/stocks/bars", question, self._ask, most_pages)
        found = _legible(
            "bar",
            _bar,
            (
                (ticker, item)
                for page in requests.pages(tickers)
                for ticker, items in _section(page, "bars")
                for item in (items if isinstance(items, list) else [items])
                if item is not None
            ),
        )
        bars = [bar for bar in found if start <= bar.ts < end]
        return Listing(bars, [*found.illegible, *_refused("bar", requests)])

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        """The latest quote of each ticker, the unquoted left out, and beside it the last trade.

        Raises as `bars` does for quotes. Without trades they are judged by less.
        """
        requests, asked = self._latest("/stocks/quotes/latest"), frozenset(tickers)
        found = _legible(
            "quote",
            _quote,
            (
                (ticker, item)
                for page in requests.pages(tickers)
                for ticker, item in _section(page, "quotes")
                if item is not None and ticker in asked
            ),
        )
        quoted = [quote.ticker for quote in found]
        trades, error = self._trades(quoted) if quoted else ({}, None)
        illegible = [*found.illegible, *_refused("quote", requests)]
        return Quotes({quote.ticker: quote for quote in found}, illegible, trades, error)

    def _trades(self, tickers: Sequence[str]) -> tuple[dict[str, Trade], str | None]:
        """The last trade of each ticker that has a valid one; why there are none."""
        try:
            found = [
                trade
                for page in self._latest("/stocks/trades/latest").pages(tickers)
                for ticker, item in _section(page, "trades")
                if ticker in tickers and (trade := _trade(ticker, item)) is not None
            ]
        except MarketDataUnavailable as error:
            return {}, str(error)
        return {trade.ticker: trade for trade in found}, None

    def _latest(self, path: str) -> SymbolRequests:
        return SymbolRequests(path, {"feed": self._feed}, self._ask, _SPARE_PAGES)

    def _get(self, path: str, question: dict[str, str]) -> Any:
        """Bars and quotes are no account's: any pair of keys that is taken may read them."""
        try:
            return self._wire.get(path, question)
        except RequestRefused as refusal:
            of_keys = refusal.is_about_keys and not _is_about_the_plan(refusal)
            if not (of_keys and self._wire.renew()):
                raise
        return self._wire.get(path, question)

    def _refusal(self, path: str, refusal: RequestRefused) -> MarketDataUnavailable:
        """The vendor's words, and what to do where they are about the plan."""
        said = f"{path}: {str(refusal)[:500]}"
        words = (refusal.words or "").lower()
        if refusal.status in (_BAD_REQUEST, _UNPROCESSABLE) and "invalid symbol" in words:
            return InvalidSymbols(said)
        if _is_about_the_plan(refusal):
            return MarketDataUnavailable(
                f"{said}: the plan of these keys does not include the feed {self._feed}. Set "
                "ALPACA_DATA_FEED, or feed under [data] of ops.toml, to one that it does (the free "
                "plan has iex), or give DATA_ACCOUNT keys of another plan"
            )
        if refusal.is_about_keys:
            return MarketDataUnavailable(
                f"{said}: the keys that read market data are refused. Renew them, or set "
                "DATA_ACCOUNT to an account whose keys are taken"
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


def _is_about_the_plan(refusal: RequestRefused) -> bool:
    return refusal.status == _FORBIDDEN and "subscription" in (refusal.words or "").lower()


def _refused(kind: ItemKind, requests: SymbolRequests) -> Iterator[IllegibleItem]:
    for ticker, why in requests.refused.items():
        yield IllegibleItem(kind=kind, name=ticker, reason=why, content="", symbol=ticker)


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
    if not is_legible(ticker):
        raise ValueError("its ticker is no legible text")
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
    return Trade(ticker, seen, price) if price.is_finite() and 0 < price < _MOST else None


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
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return moment.astimezone(UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
