"""Charges fees on trades as Alpaca does: accrued over the day, booked once a day, account and fee.

The behaviour `fees` says when they are booked: at 16:00 New York time of the trade date, or at
08:00 of the next day; by default never, as Alpaca's paper accounts charge none. Until then they
are off the cash already.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from ops_local.exchange.orders.settlement import activity_id
from ops_local.exchange.records import CashActivity, ExchangeFill, ExchangeLedger
from ops_local.exchange.storage.store import Store
from ops_pipeline.domain.costs.fee_table import NoFeeRate
from ops_pipeline.domain.costs.fees import FeeTrade, day_fees
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.trading_terms import FeeKind

# Alpaca's sub-types.
_WORDS: dict[FeeKind, str] = {
    "SEC": "REG",
    "TAF": "TAF",
    "CAT": "CAT",
    "ORF": "ORF",
    "OCC": "OCC",
}
# A fill that is told later is charged too.
_LOOKED_BACK = timedelta(days=7)
_DAY = timedelta(days=1)
_NONE = Decimal(0)


class FeeCharging:
    """Runs in the caller's transaction, as the clock passes the time of each charge."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Balances are asked for each minute, and fees change with executions alone.
        self._known: dict[str, tuple[object, dict[date, dict[FeeKind, Decimal]]]] = {}

    def pending(self, account_number: str, now: datetime) -> Decimal:
        """What has accrued and is not booked, USD."""
        if self._store.behaviour("fees") == "uncharged":
            return _NONE
        days = self._owed(account_number, now)
        return sum((amount for owed in days.values() for amount in owed.values()), _NONE)

    def run_due(self, until: datetime) -> None:
        """Book what is due by then."""
        when = self._store.behaviour("fees")
        if when == "uncharged":
            return
        for ledger in self._store.ledgers():
            for day, owed in self._owed(ledger.account_number, until).items():
                due = _at_day_end(day) if when == "at_day_end" else _next_morning(day)
                if due <= until:
                    self._book(ledger, day, owed, due, until)

    def _owed(self, account_number: str, now: datetime) -> dict[date, dict[FeeKind, Decimal]]:
        """By day and fee what its trades are charged, less what is booked."""
        activities = len(self._store.cash_activities(account_number))
        state = (new_york_day(now), activities, self._store.traded_in_all(account_number))
        known = self._known.get(account_number)
        if known is None or known[0] != state:
            known = self._known[account_number] = (state, self._computed(account_number, now))
        return known[1]

    def _computed(self, account_number: str, now: datetime) -> dict[date, dict[FeeKind, Decimal]]:
        traded: defaultdict[date, list[ExchangeFill]] = defaultdict(list)
        for fill in self._store.fills_since(account_number, now - _LOOKED_BACK):
            traded[new_york_day(fill.executed_at)].append(fill)
        if not traded:
            return {}
        booked: defaultdict[tuple[str | None, str | None], Decimal] = defaultdict(Decimal)
        for it in self._store.cash_activities(account_number):
            booked[it.trade_day, it.activity_sub_type] -= it.net_amount
        return {
            day: {
                kind: left
                for kind, amount in _charges(fills).items()
                if (left := amount - booked[day.isoformat(), _WORDS[kind]]) > 0
            }
            for day, fills in sorted(traded.items())
        }

    def _book(
        self,
        ledger: ExchangeLedger,
        day: date,
        owed: dict[FeeKind, Decimal],
        due: datetime,
        now: datetime,
    ) -> None:
        """One activity a fee; what is found to be owed after the day was booked is booked now."""
        known = self._store.cash_activities(ledger.account_number)
        at = now if any(it.trade_day == day.isoformat() for it in known) else due
        fills = [
            fill
            for fill in self._store.fills_since(ledger.account_number, now - _LOOKED_BACK)
            if new_york_day(fill.executed_at) == day
        ]
        for number, (kind, amount) in enumerate(owed.items(), len(known) + 1):
            self._store.save(
                CashActivity(
                    activity_id=activity_id(f"fee {ledger.account_number}", number, at),
                    account_number=ledger.account_number,
                    number=number,
                    activity_type="FEE",
                    net_amount=-amount,
                    symbol=None,
                    created_at=at,
                    activity_sub_type=_WORDS[kind],
                    description=_description(kind, fills, day, ledger.account_number),
                    trade_day=day.isoformat(),
                )
            )
            ledger = replace(ledger, cash=ledger.cash - amount)
        self._store.save(ledger)


def _charges(fills: Sequence[ExchangeFill]) -> dict[FeeKind, Decimal]:
    """What an account is charged for a day's fills; nothing on a day without known rates."""
    trades = [
        FeeTrade(
            order=fill.order_id,
            day=new_york_day(fill.executed_at),
            side=fill.side,
            quantity=Decimal(fill.qty),
            value=fill.qty * fill.price,
        )
        for fill in fills
    ]
    try:
        return day_fees(trades)
    except NoFeeRate:
        return {}


def _description(
    kind: FeeKind, fills: Sequence[ExchangeFill], day: date, account_number: str
) -> str:
    sold = [fill for fill in fills if fill.side == "sell"]
    what = f"{len(fills)} trades"
    if kind == "SEC":
        what = f"${sum((fill.qty * fill.price for fill in sold), _NONE):.2f}"
    elif kind == "TAF":
        what = f"{sum(fill.qty for fill in sold)} shares ({len(sold)} trades)"
    return f"{_WORDS[kind]} fee for proceed of {what} on {day.isoformat()} by {account_number}"


def _at_day_end(day: date) -> datetime:
    return new_york_time(day, 16)


def _next_morning(day: date) -> datetime:
    return new_york_time(day + _DAY, 8)
