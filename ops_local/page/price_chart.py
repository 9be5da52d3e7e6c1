"""One ticker's price with its headlines, signals and fills."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from decimal import Decimal

from ops_local.figures import clock, dollars, plain
from ops_local.page.sources import PageData
from ops_local.page.vega import CLOCK, HEIGHT_PX, LEGEND, Spec, chart, table_data, time_axis, wall

# Shape, colour and size in square pixels.
_KINDS: dict[str, tuple[str, str, int]] = {
    "signal": ("circle", "#7b83f0", 70),
    "bought": ("triangle-up", "#1a8a5a", 170),
    "sold": ("triangle-down", "#d1495b", 170),
    "headline": ("diamond", "#b8860b", 110),
}
_CHOSEN = {"filter": "datum.ticker === ticker"}
_PRICE = {"type": "quantitative", "scale": {"zero": False}, "title": "USD"}
_LINE = {"type": "line", "strokeWidth": 1.2, "color": "#7a869a"}
_TOOLTIP = [{"field": "at", **CLOCK, "title": "New York"}, {"field": "what"}, {"field": "story"}]


@dataclass(frozen=True, slots=True)
class PriceMark:
    """A headline, signal or fill at a price; `at` is New York's wall clock."""

    ticker: str
    at: str
    what: str
    price: Decimal
    story: str


def prices(facts: PageData) -> Spec:
    """Closes and marks; a list above the chart selects the ticker."""
    closes = ((row["ticker"], wall(row["at"]), row["close"]) for row in facts.prices)
    marks = map(astuple, price_marks(facts))
    choice = {"input": "select", "options": facts.tickers, "name": "Ticker "}
    return chart(
        None,
        height=HEIGHT_PX,
        params=[{"name": "ticker", "value": _first_ticker(facts), "bind": choice}],
        encoding={"x": time_axis(facts)},
        layer=[
            {
                "data": table_data(("ticker", "at", "close"), closes),
                "transform": [_CHOSEN],
                "mark": _LINE,
                "encoding": {"y": {**_PRICE, "field": "close"}},
            },
            {
                "data": table_data(PriceMark.__slots__, marks),
                "transform": [_CHOSEN],
                "mark": {"type": "point", "filled": True, "opacity": 0.95},
                "encoding": {
                    "y": {**_PRICE, "field": "price"},
                    "tooltip": _TOOLTIP,
                    **_encoding_by_kind(),
                },
            },
        ],
    )


def price_marks(facts: PageData) -> list[PriceMark]:
    """Everything drawn over the prices, fills last, so that they are on top."""
    found = [*_headlines(facts), *_signals(facts), *_fills(facts)]
    return [mark for mark in found if mark.ticker in facts.tickers]


def _headlines(facts: PageData) -> Iterator[PriceMark]:
    """Headlines at the close of the minute in which their feed showed them."""
    closes = {(row["ticker"], clock(row["at"])): row["close"] for row in facts.prices}
    for row in facts.headlines:
        score = "no score" if row["score"] is None else f"{row['score']:+.2f}"
        for ticker in row["tickers"]:
            price = closes.get((ticker, clock(row["at"])))
            if price is not None:
                story = f"{score}: {row['title']}"
                yield PriceMark(ticker, wall(row["at"]), "headline", price, story)


def _signals(facts: PageData) -> Iterator[PriceMark]:
    for row in facts.signals:
        story = f"{row['direction']} at confidence {row['confidence']:.2f}"
        price = Decimal(str(row["price"]))
        yield PriceMark(row["ticker"], wall(row["at"]), "signal", price, story)


def _fills(facts: PageData) -> Iterator[PriceMark]:
    for row in facts.fills:
        what = "bought" if row["side"] == "buy" else "sold"
        traded = f"{plain(row['quantity'])} at {dollars(row['price'])}"
        story = f"{row['account']}: {traded} ({row['reason']})"
        yield PriceMark(row["ticker"], wall(row["at"]), what, row["price"], story)


def _encoding_by_kind() -> Spec:
    """Shape, colour and size by kind of mark, in one legend."""
    encoding: Spec = {}
    for channel, values in zip(
        ("shape", "color", "size"), zip(*_KINDS.values(), strict=True), strict=True
    ):
        # Ordinal, or a size would be spread evenly between the first and the last.
        scale = {"type": "ordinal", "domain": list(_KINDS), "range": values}
        encoding[channel] = {"field": "what", "type": "nominal", **LEGEND, "scale": scale}
    return encoding


def _first_ticker(facts: PageData) -> str:
    """The ticker of the explained recommendation, else the first."""
    explained = facts.explained.recommendation["ticker"] if facts.explained else None
    return str(explained) if explained in facts.tickers else facts.tickers[0]
