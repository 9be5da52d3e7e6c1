"""Marks of holdings, and an account's balances now and at the previous close."""

from datetime import datetime
from decimal import Decimal

from ops_local.exchange.fees.charging import FeeCharging
from ops_local.exchange.margin import Balances, balances
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.records import Holding, TransferredHolding
from ops_local.exchange.storage.store import Store
from ops_pipeline.domain.market import new_york_day, new_york_time


class Valuation:
    """Reads the tape and the store; changes nothing."""

    def __init__(self, store: Store, tape: Tape, fees: FeeCharging) -> None:
        self._store = store
        self._tape = tape
        self._fees = fees

    def known_price(self, symbol: str, now: datetime) -> Decimal | None:
        """The latest price of this recording, else an earlier day's close, else None."""
        price = self._tape.price(symbol, now)
        if price is not None:
            return price
        close = self._store.last_closing_price(symbol, new_york_day(now))
        return None if close is None else close.price

    def mark(self, holding: Holding, now: datetime) -> Decimal:
        """The price that a held share is valued at; its cost while the market has shown none."""
        price = self.known_price(holding.symbol, now)
        return holding.average_price if price is None else price

    def last_day_price(self, holding: Holding, now: datetime) -> Decimal:
        """The close of the previous session.

        A recording does not include the day before; then today's first price is used.
        """
        today = new_york_day(now)
        close = self._store.last_closing_price(holding.symbol, today)
        if close is not None:
            return close.price
        bars = self._tape.bars(holding.symbol, new_york_time(today, 0), now, now)
        return bars[0].open if bars and bars[0].open > 0 else self.mark(holding, now)

    def balances(self, account_number: str, now: datetime) -> Balances:
        """The account's balances, open orders included; what fees have accrued is off the cash."""
        holdings = self._store.holdings(account_number)
        cash = self._store.ledger(account_number).cash
        return balances(
            cash - self._fees.pending(account_number, now),
            holdings,
            {holding.symbol: self.mark(holding, now) for holding in holdings},
            self._store.live_orders(account_number),
            unmarginable=sum(
                (it.qty * it.price for it in self.other_assets(account_number)), Decimal(0)
            ),
        )

    def other_assets(self, account_number: str) -> list[TransferredHolding]:
        """What the account holds in other asset classes: shown at cost, not traded here."""
        held = self._store.transferred_holdings(account_number)
        return [it for it in held if it.asset_class != "us_equity"]

    def last_equity(self, account_number: str, now: datetime) -> Decimal:
        """Equity at the previous close; the opening cash while there was none.

        Holdings from before that were entered since count as if they had been there.
        """
        today = new_york_day(now)
        day_end = self._store.last_day_end(account_number, today)
        since = "" if day_end is None else day_end.day
        entered = [
            it
            for it in self._store.transferred_holdings(account_number)
            if it.bought_on < today.isoformat() and new_york_day(it.added_at).isoformat() > since
        ]
        equity = self._store.ledger(account_number).opening_cash
        if day_end is not None:
            equity = day_end.equity
        return equity + sum((self._last_day_value(it, now) for it in entered), Decimal(0))

    def _last_day_value(self, held: TransferredHolding, now: datetime) -> Decimal:
        if held.asset_class != "us_equity":
            return held.qty * held.price
        shares = Holding(
            held.account_number,
            held.symbol,
            int(held.qty),
            held.qty * held.price,
            held.added_at,
        )
        return held.qty * self.last_day_price(shares, now)
