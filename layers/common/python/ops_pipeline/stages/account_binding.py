"""Binds accounts to the broker's accounts that their keys open, compared before an operator's eyes.

Keys and the number beside them can be swapped together. So what is shown is also what else
speaks for an account: that the broker has its newest order.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ops_pipeline.db import accounts, bindings, orders
from ops_pipeline.db.bindings import NewSalt
from ops_pipeline.db.operations import operator
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.errors import AccountMismatch, AccountNotConfigured, InvalidInput, OpsError
from ops_pipeline.execution.abandonment import abandon
from ops_pipeline.ports import Broker, Clock

OpenBroker = Callable[[str, str], Broker]
NewestOrder = Literal["not asked", "none here", "there", "missing"]
State = Literal["bound", "bound already", "can be bound", "not configured", "refused"]

# As much of an account number as is shown: all of it is nobody's business but the broker's.
_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BindCommand:
    """Which accounts to bind.

    Attributes:
        account: None means every one that does not only simulate.
        number: The number at the broker, in the operator's own words: it vouches for an
            account that does not have our newest order, as after a reset.
        reset: The account was reset at its broker: what is open here is given up.
        confirm: False only compares.
    """

    operator: str
    reason: str
    account: str | None = None
    number: str | None = field(default=None, repr=False)
    reset: bool = False
    confirm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountComparison:
    """One account beside what its keys open.

    Attributes:
        number: The end of the number that the broker told; "" when it told none.
        newest_order: Whether the broker has the newest order that it acknowledged to us.
        why: Of a refusal.
    """

    account: str
    broker: str
    mode: str
    number: str = ""
    newest_order: NewestOrder = "not asked"
    state: State = "refused"
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """What binding takes.

    Attributes:
        db: Where to bind.
        dry: The same database; its units of work are rolled back.
        open_broker: An account, by our name, at a broker, by its: by the keys alone.
        new_salt: For the first binding of the database.
    """

    db: UnitsOfWork
    dry: UnitsOfWork
    open_broker: OpenBroker
    new_salt: NewSalt
    clock: Clock

    def run(self, command: BindCommand) -> dict[str, Any]:
        """Compare, and bind what nothing speaks against where the command confirms it.

        Each account stands alone: one that is refused keeps no other from being bound.

        Raises:
            InvalidInput: no such account, one that only simulates, a number without an account.
        """
        seen: dict[tuple[str, str], str] = {}
        compared = [self._one(command, account, seen) for account in self._chosen(command)]
        return {"accounts": [asdict(each) for each in compared]}

    def _chosen(self, command: BindCommand) -> Sequence[Account]:
        with self.db.transaction() as tx:
            _require_whole(command)
            names = accounts.all_names(tx) if command.account is None else [command.account]
            chosen = [accounts.load(tx, name) for name in names]
        if command.account is not None and chosen[0].simulated:
            raise InvalidInput(f"account: {command.account} only simulates, at no broker")
        return [account for account in chosen if not account.simulated]

    def _one(
        self, command: BindCommand, account: Account, seen: dict[tuple[str, str], str]
    ) -> AccountComparison:
        row = AccountComparison(
            account=account.account_name, broker=account.broker, mode=account.execution_mode
        )
        try:
            broker = self.open_broker(account.account_name, account.broker)
            told = broker.account()
            row = replace(row, number=_end_of(told.account_number))
            row = replace(row, newest_order=self._newest_order(account, broker))
            _require_plausible(command, row, told)
            first = seen.setdefault((account.broker, told.account_number), row.account)
            if first != row.account:
                raise AccountMismatch(f"{row.account}: the keys of {first} open the same account")
            return replace(row, state=self._bind(command, account, told))
        except AccountNotConfigured as error:
            return replace(row, state="not configured", why=str(error))
        except OpsError as error:
            return replace(row, why=str(error))

    def _newest_order(self, account: Account, broker: Broker) -> NewestOrder:
        with self.db.transaction() as tx:
            newest = orders.newest_acknowledged(tx, account.account_name)
        if newest is None:
            return "none here"
        return "missing" if broker.order_by_client_id(newest) is None else "there"

    def _bind(self, command: BindCommand, account: Account, told: BrokerAccount) -> State:
        with (self.db if command.confirm else self.dry).transaction() as tx:
            account = accounts.load_locked(tx, account.account_name)
            given_up = abandon(tx, account, now=self.clock.now()) if command.reset else None
            changed = bindings.bind(
                tx,
                account,
                told.account_number,
                new_salt=self.new_salt,
                by=command.operator,
                now=self.clock.now(),
            )
            if changed:
                operator.record(
                    tx,
                    operator=command.operator,
                    action="bind",
                    scope=account.account_name,
                    reason=command.reason,
                    details={
                        "broker": account.broker,
                        "number": _end_of(told.account_number),
                        "given_up": given_up and {"orders": given_up[0], "positions": given_up[1]},
                    },
                    now=self.clock.now(),
                )
        if not changed:
            return "bound already"
        return "bound" if command.confirm else "can be bound"


def _require_whole(command: BindCommand) -> None:
    if command.number is not None and command.account is None:
        raise InvalidInput("number: say which account it is of")
    if command.reset and command.number is None:
        raise InvalidInput("reset: give the number of the account that took the old one's place")


def _require_plausible(command: BindCommand, row: AccountComparison, told: BrokerAccount) -> None:
    """Raises AccountMismatch where the operator's word or our own orders speak against it."""
    if command.number is not None and command.number.strip() != told.account_number:
        raise AccountMismatch(f"{row.account}: these keys open another account than that number")
    if command.number is None and row.newest_order == "missing":
        raise AccountMismatch(
            f"{row.account}: the account that these keys open does not have its newest order;"
            " if that is right, as after a reset, give its number as well"
        )
    if not told.no_shorting:
        raise AccountMismatch(
            f"{row.account}: the account may sell short; forbid it at {row.broker} first"
            " (at Alpaca: no_shorting in the account's configuration)"
        )
    if command.reset and row.newest_order == "there":
        raise AccountMismatch(f"{row.account}: it has our newest order, so it was not reset")


def _end_of(number: str) -> str:
    return "…" + number[-_SHOWN:] if len(number) >= 2 * _SHOWN else "…"
