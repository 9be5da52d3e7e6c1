"""The store's trading records: clock, accounts, orders, fills, cash and holdings."""

from datetime import date, datetime

from ops_local.exchange.records import (
    LIVE,
    AnnouncedAction,
    CashActivity,
    ClosingPrice,
    DayEnd,
    DividendClaim,
    ExchangeFill,
    ExchangeLedger,
    ExchangeOrder,
    Holding,
)
from ops_local.exchange.storage.rows import stamp
from ops_local.exchange.storage.switches import SwitchStore
from ops_local.exchange.words import Side

_LIVE = ", ".join(f"'{status}'" for status in LIVE)


class Store(SwitchStore):
    """The whole store of one exchange."""

    def now(self) -> datetime | None:
        """The exchange's current time, or None in a new store."""
        row = self._connection.execute("SELECT now FROM clock").fetchone()
        return None if row is None else datetime.fromisoformat(row["now"])

    def set_now(self, now: datetime) -> None:
        self._connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (stamp(now),))

    def ledgers(self) -> list[ExchangeLedger]:
        return self._all(ExchangeLedger, "TRUE ORDER BY account_number")

    def ledger(self, account_number: str) -> ExchangeLedger:
        """The cash of an account. Raises LookupError when it was never opened."""
        found = self._all(ExchangeLedger, "account_number = ?", account_number)
        if not found:
            raise LookupError(f"no account {account_number}")
        return found[0]

    def order(self, account_number: str, order_id: str) -> ExchangeOrder | None:
        return self._first(
            ExchangeOrder, "account_number = ? AND order_id = ?", account_number, order_id
        )

    def order_by_client_id(self, account_number: str, client_order_id: str) -> ExchangeOrder | None:
        return self._first(
            ExchangeOrder,
            "account_number = ? AND client_order_id = ?",
            account_number,
            client_order_id,
        )

    def order_of_any_account(self, order_id: str) -> ExchangeOrder | None:
        return self._first(ExchangeOrder, "order_id = ?", order_id)

    def orders(self, account_number: str) -> list[ExchangeOrder]:
        """All orders of the account, oldest first."""
        return self._all(ExchangeOrder, "account_number = ? ORDER BY number", account_number)

    def live_orders(self, account_number: str | None = None) -> list[ExchangeOrder]:
        """The open orders of one or of all accounts, oldest first."""
        of_account = "" if account_number is None else "account_number = ? AND "
        return self._all(
            ExchangeOrder,
            f"{of_account}status IN ({_LIVE}) ORDER BY submitted_at, account_number, number",
            *(() if account_number is None else (account_number,)),
        )

    def next_order_number(self, account_number: str) -> int:
        return 1 + self._number(
            "SELECT coalesce(max(number), 0) FROM (SELECT account_number, number FROM orders"
            " UNION ALL SELECT account_number, number FROM vanished_orders)"
            " WHERE account_number = ?",
            account_number,
        )

    def drop_order(self, order: ExchangeOrder) -> None:
        self._connection.execute("DELETE FROM orders WHERE order_id = ?", (order.order_id,))

    def times_vanished(self, account_number: str, client_order_id: str) -> int:
        """How many orders with this client_order_id have vanished."""
        return self._number(
            "SELECT count(*) FROM vanished_orders WHERE account_number = ? AND client_order_id = ?",
            account_number,
            client_order_id,
        )

    def fills(self, account_number: str) -> list[ExchangeFill]:
        """All executions of the account, by activity id, which sorts by time."""
        return self._all(ExchangeFill, "account_number = ? ORDER BY activity_id", account_number)

    def traded_in_all(self, account_number: str) -> tuple[int, int, float]:
        """How many executions the account has, and their shares and value: changes with each."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(qty), 0), coalesce(sum(qty * price), 0.0) FROM fills"
            " WHERE account_number = ?",
            (account_number,),
        ).fetchone()
        return row[0], row[1], row[2]

    def fills_since(self, account_number: str, since: datetime) -> list[ExchangeFill]:
        """The account's executions at or after `since`, by activity id."""
        return self._all(
            ExchangeFill,
            "account_number = ? AND executed_at >= ? ORDER BY activity_id",
            account_number,
            stamp(since),
        )

    def cash_activities(self, account_number: str) -> list[CashActivity]:
        """Cash that moved without a trade, oldest first."""
        return self._all(CashActivity, "account_number = ? ORDER BY number", account_number)

    def announced_actions(self) -> list[AnnouncedAction]:
        """All corporate actions, by their day; a split before the renaming of the same day."""
        return self._all(AnnouncedAction, "TRUE ORDER BY ex_date, kind = 'name_change', action_id")

    def open_claims(self) -> list[DividendClaim]:
        """Dividends that are not paid yet, the next one first."""
        return self._all(
            DividendClaim, "paid_at IS NULL ORDER BY payable_date, action_id, account_number"
        )

    def fill_count(self, order_id: str) -> int:
        return self._number("SELECT count(*) FROM fills WHERE order_id = ?", order_id)

    def traded_since(self, account_number: str, symbol: str, side: Side, since: datetime) -> int:
        """Shares filled for the account on that side at or after `since`."""
        return self._number(
            "SELECT coalesce(sum(qty), 0) FROM fills"
            " WHERE account_number = ? AND symbol = ? AND side = ? AND executed_at >= ?",
            account_number,
            symbol,
            side,
            stamp(since),
        )

    def holdings(self, account_number: str) -> list[Holding]:
        return self._all(Holding, "account_number = ? ORDER BY symbol", account_number)

    def holding(self, account_number: str, symbol: str) -> Holding | None:
        return self._first(Holding, "account_number = ? AND symbol = ?", account_number, symbol)

    def drop_holding(self, account_number: str, symbol: str) -> None:
        self._connection.execute(
            "DELETE FROM positions WHERE account_number = ? AND symbol = ?",
            (account_number, symbol),
        )

    def last_day_end(self, account_number: str, before: date) -> DayEnd | None:
        """The latest close before that New York day."""
        return self._first(
            DayEnd,
            "account_number = ? AND day < ? ORDER BY day DESC LIMIT 1",
            account_number,
            before.isoformat(),
        )

    def last_closing_price(self, symbol: str, before: date) -> ClosingPrice | None:
        return self._first(
            ClosingPrice,
            "symbol = ? AND day < ? ORDER BY day DESC LIMIT 1",
            symbol,
            before.isoformat(),
        )
