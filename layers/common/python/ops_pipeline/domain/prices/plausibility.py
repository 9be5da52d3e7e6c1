"""Whether a quote is believed: one rule for entries, exits, marks and the paper exchange.

A quote of one venue may be hundreds of dollars wide, and one that is narrow may be of another
price than the market's. A quote that is not believed decides nothing. Prices USD; the bounds
are fractions of the quote's mid and were measured on recorded quotes (decision 51).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.market import Bar, Quote, Quotes, Session, Trade
from ops_pipeline.domain.orders import marketable_limit, price_step, within_collar
from ops_pipeline.domain.parameters import Parameters, PriceRules
from ops_pipeline.domain.trading_terms import is_contract

DoubtKind = Literal["one_sided", "size", "spread", "distance", "alone", "stale"]
# A quote is there and has two sides, but is not the market's: told of when it lasts.
IMPLAUSIBLE: tuple[DoubtKind, ...] = ("size", "spread", "distance", "alone")
# Nothing is wrong with the quote itself: it counts once the next one agrees.
UNCONFIRMED: tuple[DoubtKind, ...] = ("distance", "alone")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a quote is not believed, in words for people."""

    kind: DoubtKind
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A price of the same symbol from elsewhere: a trade, a bar's close, an earlier quote's mid.

    Attributes:
        at: When the trade or quote was made; the end of the bar's minute.
    """

    price: Decimal
    at: datetime
    source: Literal["trade", "bar", "quote"]

    @classmethod
    def of_bar(cls, bar: Bar) -> "Evidence":
        return cls(bar.close, bar.ends_at, "bar")

    @classmethod
    def of_trade(cls, trade: Trade) -> "Evidence":
        return cls(trade.price, trade.ts, "trade")


@dataclass(frozen=True, slots=True)
class JudgedQuote:
    """A quote with the verdict on it.

    Attributes:
        doubt: Why it is not believed; None when it is.
        anchor: The price elsewhere that is nearest to it; None where nothing else is known.
        witnesses: Prices from elsewhere that are recent enough to confirm a stop.
    """

    quote: Quote
    doubt: Doubt | None
    anchor: Decimal | None
    witnesses: tuple[Decimal, ...]

    @property
    def believed(self) -> bool:
        return self.doubt is None

    def limit(self, side: Side, slippage: float, collar: float) -> Decimal:
        """A marketable limit, kept within the collar around the anchor.

        Beyond the collar the order rests there and is priced anew when the market is known.
        """
        far_side = self.quote.ask if side == "buy" else self.quote.bid
        limit = marketable_limit(side, far_side, slippage)
        return limit if self.anchor is None else within_collar(side, limit, self.anchor, collar)


def judge(
    quote: Quote,
    evidence: Iterable[Evidence],
    *,
    now: datetime,
    session: Session | None,
    rules: PriceRules,
    most_age_s: int,
) -> JudgedQuote:
    """Believe a quote or say why not.

    Args:
        evidence: What else is known of the symbol's price; what is too old, or dated ahead by
            more than a quote may be old, is left out.
        session: Today's; its first minutes have wider bounds.
        most_age_s: The oldest quote that counts, seconds.
    """
    latest = now + timedelta(seconds=most_age_s)
    known = _relevant((it for it in evidence if it.at <= latest), quote, now, rules)
    nearest = min(known, key=lambda it: abs(it.price - quote.mid), default=None)
    factor = Decimal(1) if _settled(now, session, rules) else _number(rules.opening_factor)
    doubt = (
        _faulty(quote)
        or _wide(quote, factor, rules)
        or _far(quote, known, now, factor, rules)
        or _stale(quote, now, most_age_s)
    )
    oldest = now - timedelta(seconds=rules.witness_age_s)
    return JudgedQuote(
        quote=quote,
        doubt=doubt,
        anchor=None if nearest is None else nearest.price,
        witnesses=tuple(it.price for it in known if it.at >= oldest),
    )


def judge_of(
    symbol: str,
    quotes: Quotes,
    bar: Evidence | None,
    earlier: Iterable[Evidence] = (),
    *,
    now: datetime,
    session: Session | None,
    rules: Parameters,
) -> JudgedQuote | None:
    """A symbol's quote, judged beside its bar and trade; None without a quote.

    Args:
        bar: Its newest stored one, if there is any.
        earlier: What its quotes of earlier ticks said.
    """
    quote, trade = quotes.get(symbol), quotes.trades.get(symbol)
    if quote is None:
        return None
    evidence = [
        *([] if bar is None else [bar]),
        *([] if trade is None else [Evidence.of_trade(trade)]),
        *earlier,
    ]
    return judge(
        quote,
        evidence,
        now=now,
        session=session,
        rules=rules.prices,
        most_age_s=rules.gates.quote_age_s,
    )


def confirmed(judged: JudgedQuote) -> JudgedQuote:
    """For what is held: a quote is not believed while it is all that is known of the price."""
    if judged.doubt is not None or judged.anchor is not None:
        return judged
    reason = f"{_shown(judged.quote)} is the only price that is known"
    return replace(judged, doubt=Doubt("alone", reason))


def _relevant(
    evidence: Iterable[Evidence], quote: Quote, now: datetime, rules: PriceRules
) -> list[Evidence]:
    """What may speak for or against the quote.

    The same quote once more is no second one. An earlier quote says nothing once there was a
    trade or a bar after it, nor does a trade after which a bar ended at another price.
    """
    oldest = now - timedelta(seconds=rules.evidence_age_s)
    recent = [it for it in evidence if it.price > 0 and it.at >= oldest]
    bar_at = max((it.at for it in recent if it.source == "bar"), default=oldest)
    traded_at = max((it.at for it in recent if it.source != "quote"), default=oldest)
    since = {"bar": oldest, "trade": bar_at, "quote": traded_at}
    return [
        it
        for it in recent
        if it.at >= since[it.source] and (it.source != "quote" or it.at < quote.ts)
    ]


def _settled(now: datetime, session: Session | None, rules: PriceRules) -> bool:
    """Whether the session is open and past its first minutes."""
    if session is None or not session.is_open(now):
        return False
    return now >= session.opens_at + timedelta(minutes=rules.opening_minutes)


def _faulty(quote: Quote) -> Doubt | None:
    if not quote.usable:
        return Doubt("one_sided", f"one-sided or crossed: {_shown(quote)}")
    if min(quote.bid_size, quote.ask_size) <= 0:
        return Doubt("size", f"no shares on one side: {quote.bid_size} x {quote.ask_size}")
    return None


def _wide(quote: Quote, factor: Decimal, rules: PriceRules) -> Doubt | None:
    """Too wide for its price and the time of day; cheap stock may be some steps wide."""
    contract = is_contract(quote.ticker)
    share = rules.contract_spread if contract else rules.spread
    steps = rules.spread_steps * price_step(quote.mid)
    most = max(quote.mid * _number(share), steps) * factor
    if quote.ask - quote.bid <= most:
        return None
    spread_pct = (quote.ask - quote.bid) / quote.mid * 100
    return Doubt("spread", f"{_shown(quote)} is {spread_pct:.2f} % wide, at most {most:.4f} USD")


def _far(
    quote: Quote, known: list[Evidence], now: datetime, factor: Decimal, rules: PriceRules
) -> Doubt | None:
    """Further from everything else that is known than the market moves in that time."""
    if not known or any(_agrees(quote, it, now, factor, rules) for it in known):
        return None
    newest = max(known, key=lambda it: it.at)
    off_pct = (quote.mid / newest.price - 1) * 100
    return Doubt(
        "distance",
        f"{_shown(quote)} is {off_pct:+.2f} % off the last {newest.source}, {newest.price:f}",
    )


def _agrees(quote: Quote, it: Evidence, now: datetime, factor: Decimal, rules: PriceRules) -> bool:
    """A price is further off the older it is, with the root of its age as in a random walk."""
    share = rules.contract_distance if is_contract(quote.ticker) else rules.distance
    ages = max((now - it.at).total_seconds() / rules.distance_age_s, 1.0)
    most = max(it.price * _number(share * ages**0.5), rules.spread_steps * price_step(it.price))
    return abs(quote.mid - it.price) <= most * factor


def _stale(quote: Quote, now: datetime, most_age_s: int) -> Doubt | None:
    age_s = quote.age_s(now)
    if abs(age_s) <= most_age_s:
        return None
    return Doubt("stale", f"{age_s:.0f} s old" if age_s > 0 else f"{-age_s:.0f} s ahead")


def _shown(quote: Quote) -> str:
    return f"{quote.bid:f} x {quote.ask:f}"


def _number(share: float) -> Decimal:
    return Decimal(str(share))
