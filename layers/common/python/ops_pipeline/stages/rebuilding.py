"""Fills an empty, migrated database from the brokers, or compares a restored one with them.

Entries are halted first. Then each account is bound to what its keys open, its positions, open
orders and recent fills are adopted, and the guard's next tick arms the stops. A run that died
anywhere is run again: what is there already stays as it is. `ops resume` ends the halt once
ledger and broker agree.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from ops_pipeline.db import accounts, orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import WATCHED_FOR, may_still_fill, read_client_order_id
from ops_pipeline.errors import AccountMismatch, AccountNotConfigured, InvalidInput, OpsError
from ops_pipeline.execution import ledger_comparison, lost_orders
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import Broker, Clock
from ops_pipeline.stages.account_binding import BindCommand, Binder


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildCommand:
    """Which accounts to rebuild.

    Attributes:
        account: None means all of them.
        confirm: False only shows what the brokers have.
    """

    operator: str
    reason: str
    account: str | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRebuild:
    """One account beside its broker.

    Attributes:
        number: The end of the number that its keys open; "" when none was told.
        limits: Of the database: one that was rebuilt has those that ship.
        positions, resting_orders: What the broker has, as far as it is legible.
        illegible: Items of its lists that can't be read: it may have more.
        adopted: Positions and orders that were given rows by this run.
        unsettled: Differences that remain, for the guard's next ticks or for a person.
        agreed: Whether ledger and broker agree: then `ops resume` lets entries in.
        halted: Why entries are halted.
        why: Of a refusal.
    """

    account: str
    broker: str
    mode: str
    state: Literal["can be rebuilt", "rebuilt", "only simulates", "not configured", "refused"] = (
        "refused"
    )
    number: str = ""
    limits: str = ""
    positions: int = 0
    resting_orders: int = 0
    illegible: int = 0
    adopted: int = 0
    unsettled: int = 0
    agreed: bool = False
    halted: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilder:
    """What rebuilding takes.

    Attributes:
        binder: Binds each account first; its `open_broker` reads by the keys alone.
        gateway: The way to an account's broker, once it is bound.
        deployment: Part of every client_order_id.
    """

    db: UnitsOfWork
    binder: Binder
    gateway: Callable[[str], OrderGateway]
    deployment: str
    clock: Clock

    def run(self, command: RebuildCommand) -> dict[str, Any]:
        """Show what would be adopted, or adopt it where the command confirms that.

        Each account stands alone: one that is refused keeps no other from being rebuilt, and
        stays halted.

        Raises:
            InvalidInput: no reason is given, or no such account.
        """
        if not command.reason.strip():
            raise InvalidInput("reason: say why, it is kept with the action")
        chosen = self._chosen(command)
        if command.confirm:
            self._halt(command, chosen)
        return {"accounts": [asdict(self._one(command, account)) for account in chosen]}

    def _chosen(self, command: RebuildCommand) -> Sequence[Account]:
        with self.db.transaction() as tx:
            names = accounts.all_names(tx) if command.account is None else [command.account]
            return [accounts.load(tx, name) for name in names]

    def _halt(self, command: RebuildCommand, chosen: Sequence[Account]) -> None:
        """Halt all of them before the first is bound: until then none can send anything."""
        now = self.clock.now()
        with self.db.transaction() as tx:
            for account in chosen:
                name = account.account_name
                reason = f"Rebuilt from the broker by {command.operator}: {command.reason}"
                since = _missing_since(tx, name, now)
                if lost_orders.halt(tx, name, reason, since=since, now=now):
                    operator.record(
                        tx,
                        operator=command.operator,
                        action="rebuild",
                        scope=name,
                        reason=command.reason,
                        details={"compare_from": since},
                        now=now,
                    )

    def _one(self, command: RebuildCommand, account: Account) -> AccountRebuild:
        row = AccountRebuild(
            account=account.account_name,
            broker=account.broker,
            mode=account.execution_mode,
            limits=f"{account.max_positions} positions, ${account.max_exposure}",
        )
        if account.simulated:
            return self._halted(replace(row, state="only simulates"))
        try:
            row = self._read(row, self.binder.open_broker(row.account, row.broker))
            if not command.confirm:
                return self._halted(replace(row, state="can be rebuilt"))
            self._bind(command, row)
            gateway = self.gateway(row.account)
            counts = ledger_comparison.compare(gateway.ctx, self.db, gateway)
        except AccountNotConfigured as error:
            return self._halted(replace(row, state="not configured", why=str(error)))
        except OpsError as error:
            return self._halted(replace(row, state="refused", why=str(error)))
        return self._halted(
            replace(row, state="rebuilt", adopted=counts["adopted"], unsettled=counts["unsettled"])
        )

    def _read(self, row: AccountRebuild, broker: Broker) -> AccountRebuild:
        """What the broker has; raises AccountMismatch where its orders are another account's."""
        now = self.clock.now()
        listed = broker.orders_since(now - lost_orders.OLDEST_RESTING)
        self._require_own(row.account, listed)
        held = broker.positions()
        return replace(
            row,
            positions=len(held),
            resting_orders=sum(may_still_fill(order) for order in listed),
            illegible=len(held.illegible) + len(listed.illegible),
        )

    def _require_own(self, account: str, orders_there: Listing[BrokerOrder]) -> None:
        """In an empty database only the orders that were sent with the keys speak for them.

        One that can't be read speaks by its client_order_id; without a legible one it may be
        another account's, unless others show whose the account is.
        """
        with self.db.transaction() as tx:
            names = accounts.all_names(tx)
        odd = {it.name: it.client_order_id for it in orders_there.illegible}
        listed = [order.client_order_id for order in orders_there]
        listed += [name for name in odd.values() if name is not None]
        sent_by = {
            name
            for name in names
            for order in listed
            if read_client_order_id(order, deployment=self.deployment, account=name) is not None
        }
        if sent_by and account not in sent_by:
            others = ", ".join(sorted(sent_by))
            raise AccountMismatch(
                f"{account}: the account that its keys open has orders of {others}"
            )
        if not sent_by and None in odd.values():
            unread = next(name for name, own_id in odd.items() if own_id is None)
            raise AccountMismatch(
                f"{account}: whose orders its keys open is unknown: {unread} can't be read"
            )

    def _bind(self, command: RebuildCommand, row: AccountRebuild) -> None:
        binding = BindCommand(
            operator=command.operator, reason=command.reason, account=row.account, confirm=True
        )
        (bound,) = self.binder.run(binding)["accounts"]
        if bound["state"] == "refused":
            raise AccountMismatch(bound["why"])

    def _halted(self, row: AccountRebuild) -> AccountRebuild:
        with self.db.transaction() as tx:
            account = accounts.load(tx, row.account)
        halts = account.halts(new_york_day(self.clock.now()))
        agreed = account.ledger_halt is not None and not account.ledger_in_doubt
        return replace(row, agreed=agreed, halted="; ".join(halts.values()))


def _missing_since(tx: Transaction, account: str, now: datetime) -> datetime:
    """From when on the database may lack orders: its newest one, less what is watched anyway."""
    newest = orders.newest_at(tx, account) or now
    return min(newest, now) - WATCHED_FOR
