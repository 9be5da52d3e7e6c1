"""What was set through the control API: conditions, behaviours, faults of single orders."""

from datetime import datetime

from ops_local.exchange.conditions import (
    BEHAVIOURS,
    AccountCondition,
    AssetCondition,
    Behaviour,
    BehaviourName,
    SymbolHalt,
)
from ops_local.exchange.faults.order_faults import OrderFault
from ops_local.exchange.records import TransferredHolding
from ops_local.exchange.storage.file import StoreFile
from ops_local.exchange.storage.rows import stamp


class SwitchStore(StoreFile):
    """Returns the healthy default for whatever was never set."""

    def account_condition(self, account_number: str) -> AccountCondition:
        found = self._first(AccountCondition, "account_number = ?", account_number)
        return found or AccountCondition(account_number)

    def asset_condition(self, symbol: str) -> AssetCondition:
        return self._first(AssetCondition, "symbol = ?", symbol) or AssetCondition(symbol)

    def symbol_halts(self, symbol: str) -> list[SymbolHalt]:
        """Those that were switched on, also ended ones, oldest first."""
        return self._all(SymbolHalt, "symbol = ? ORDER BY halted_at", symbol)

    def halted_symbols(self) -> list[str]:
        """The symbols that somebody ever halted."""
        rows = self._connection.execute("SELECT DISTINCT symbol FROM symbol_halts ORDER BY symbol")
        return [row["symbol"] for row in rows]

    def behaviour(self, name: BehaviourName) -> str:
        found = self._first(Behaviour, "name = ?", name)
        return found.value if found else BEHAVIOURS[name][0]

    def order_faults(self, order_id: str) -> list[OrderFault]:
        """The faults injected into this order, due or not."""
        return self._all(OrderFault, "order_id = ? ORDER BY kind", order_id)

    def due_order_faults(self, until: datetime) -> list[OrderFault]:
        """The faults to carry out by then, in order of time."""
        return self._all(OrderFault, "due_at <= ? ORDER BY due_at, order_id, kind", stamp(until))

    def drop_order_fault(self, fault: OrderFault) -> None:
        self._connection.execute(
            "DELETE FROM order_faults WHERE order_id = ? AND kind = ?", (fault.order_id, fault.kind)
        )

    def transferred_holdings(self, account_number: str) -> list[TransferredHolding]:
        return self._all(TransferredHolding, "account_number = ? ORDER BY symbol", account_number)

    def transferred_symbols(self) -> list[str]:
        """The shares that some account holds from before, sorted."""
        rows = self._connection.execute(
            "SELECT DISTINCT symbol FROM transferred_holdings WHERE asset_class = 'us_equity'"
            " ORDER BY symbol"
        )
        return [row["symbol"] for row in rows]
