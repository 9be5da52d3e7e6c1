"""Entries that raw SQL stores, past every line of our own code; what they use of an account."""

from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction
from tests.support.builders_trading import ELEVEN, TradingBench

_ENTRY = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, decided_at, tick)
VALUES (:id, :account, 'entry', :recommendation, 1, :symbol, :symbol, :kind, :multiplier, 'buy',
    :quantity, 'limit', :price, 'day', :reserved, 'intended', 'signal', :at, :at)
"""

_USED = """
SELECT count(DISTINCT symbol) AS symbols, coalesce(sum(reserved_notional), 0) AS exposure
FROM orders WHERE account_name = :account AND is_live(status)
"""


def store(
    tx: Transaction,
    symbol: str,
    recommendation: int,
    quantity: str = "10",
    price: str = "100",
    *,
    account: str = "large",
    kind: str = "STOCK",
) -> None:
    """Store an entry by hand, at $1,000 unless told otherwise."""
    multiplier = 1 if kind == "STOCK" else 100
    tx.execute(
        _ENTRY,
        id=f"{account}-{symbol}",
        account=account,
        recommendation=recommendation,
        symbol=symbol,
        kind=kind,
        multiplier=multiplier,
        quantity=quantity,
        price=price,
        reserved=Decimal(quantity) * Decimal(price) * multiplier,
        at=ELEVEN,
    )


def insert(
    bench: TradingBench,
    symbol: str,
    quantity: str = "10",
    price: str = "100",
    *,
    account: str = "large",
    kind: str = "STOCK",
) -> None:
    """The same, with a recommendation of its own, in a unit of work of its own."""
    bench.clock.advance(1)
    number = bench.recommend(symbol, account=account)
    with bench.db.transaction() as tx:
        store(tx, symbol, number, quantity, price, account=account, kind=kind)


def used(bench: TradingBench, account: str = "large") -> tuple[int, int]:
    (found,) = bench.rows(_USED, account=account)
    return found["symbols"], int(found["exposure"])
