"""Decides on what an account held before its first run, on the operator's command.

Nothing here talks to a broker: the position manager guards from its next minute on what becomes
a position of ours.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from ops_pipeline.db import accounts, orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import external as rows
from ops_pipeline.db.operations import alerts, operator
from ops_pipeline.db.parameters import Versioned, load_active
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.holdings.external import ExternalHolding
from ops_pipeline.domain.operations.alerts import AlertKey
from ops_pipeline.domain.reconciliation import BreakKind, adopted_position
from ops_pipeline.domain.trading_terms import is_contract
from ops_pipeline.errors import InvalidInput
from ops_pipeline.execution import limit_breach
from ops_pipeline.ports import Clock

HoldingUse = Literal["day_trade", "swing", "left_alone"]
HOLDING_USES: tuple[HoldingUse, ...] = ("day_trade", "swing", "left_alone")

_MORE_THERE: tuple[BreakKind, ...] = ("position_unknown_to_us", "position_quantity_differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingCommand:
    """What becomes of one holding.

    Attributes:
        use: day_trade and swing make it a position of ours; left_alone adds to the row what the
            broker holds of it besides, as after a split.
    """

    operator: str
    reason: str
    account: str
    symbol: str
    use: HoldingUse


@dataclass(frozen=True, slots=True)
class HoldingChange:
    """What came of a command, a sentence each."""

    account: str
    changed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingAdoption:
    """What deciding on a holding takes; a position of ours gets the parameters in force."""

    db: UnitsOfWork
    clock: Clock

    def run(self, command: HoldingCommand) -> dict[str, Any]:
        """Carry out the command and record it, in one transaction.

        Raises:
            InvalidInput: no reason, no such account or holding, or one that can't become ours.
        """
        if not command.reason.strip():
            raise InvalidInput("reason: say why, it is kept with the action")
        with self.db.transaction() as tx:
            account = accounts.load_locked(tx, command.account)
            holding = _require_row(tx, command)
            if command.use == "left_alone":
                done = self._leave_alone(tx, holding)
            else:
                done = self._adopt(tx, account, holding, command)
            operator.record(
                tx,
                operator=command.operator,
                action="adopt",
                scope=command.account,
                reason=command.reason,
                details={"symbol": holding.symbol, "use": command.use, "changed": done.changed},
                now=self.clock.now(),
            )
        return {"action": "adopt_holding", **asdict(done)}

    def _adopt(
        self,
        tx: Transaction,
        account: Account,
        holding: ExternalHolding,
        command: HoldingCommand,
    ) -> HoldingChange:
        now, symbol, in_force = self.clock.now(), holding.symbol, load_active(tx)
        _require_adoptable(tx, holding)
        price = holding.price or holding.price_found or holding.average_cost
        position = _position(account, holding, price, use=command.use, in_force=in_force, now=now)
        positions.insert(tx, position, version=in_force.version, now=now)
        positions.add_event(
            tx,
            position_id=position.id,
            account=account.account_name,
            kind="adopted",
            details={"quantity": holding.quantity, "evidence": f"the operator: {command.reason}"},
            now=now,
        )
        orders.give_position(tx, position)
        after = replace(
            holding,
            quantity=Decimal(0),
            less_quantity=None,
            less_since=None,
            ended_at=now,
            end_kind="adopted",
        )
        gained = holding.gained(holding.quantity, price, now)
        rows.save(tx, after)
        rows.add_event(tx, holding, after, "adopted", price=price, day_change=gained, now=now)
        over = limit_breach.check(tx, account, now)
        what = (
            f"{holding.quantity:f} {symbol} at ${price:f} are a {command.use} of ours now:"
            f" guarded from the next minute on, with a stop at ${position.stop_loss:f}"
        )
        notes = (f"the price is of {holding.priced_at:%Y-%m-%d %H:%M} UTC",) * bool(
            holding.priced_at
        )
        return HoldingChange(
            account.account_name, (what,), (*notes, *((over.message,) if over else ()))
        )

    def _leave_alone(self, tx: Transaction, holding: ExternalHolding) -> HoldingChange:
        """Add what the reconciler found of it besides, and could not explain."""
        now, account = self.clock.now(), holding.account_name
        more = _more_there(tx, account, holding.symbol)
        if more is None or more <= 0:
            raise InvalidInput(
                f"symbol: the reconciler found no more of {holding.symbol} than is left alone"
            )
        quantity = holding.quantity + more
        after = replace(
            holding,
            quantity=quantity,
            quantity_found=quantity,
            # Another number of shares, so that its last price is no longer theirs.
            price=None,
            close_before=None,
            priced_at=None,
            ended_at=None,
            end_kind=None,
        )
        rows.save(tx, after)
        rows.add_event(tx, holding, after, "left_alone", price=None, day_change=None, now=now)
        for kind in _MORE_THERE:
            alerts.resolve_alert(tx, AlertKey(kind, account, holding.symbol), now=now)
        return HoldingChange(account, (f"{quantity:f} {holding.symbol} are left alone now",), ())


def _require_row(tx: Transaction, command: HoldingCommand) -> ExternalHolding:
    symbol = command.symbol.strip().upper()
    holding = rows.find(tx, command.account, symbol)
    if holding is None or (not holding.quantity and command.use != "left_alone"):
        held = [it.symbol for it in rows.all_of(tx, command.account) if it.quantity]
        raise InvalidInput(
            f"symbol: {command.account} left no {symbol} alone; it has {', '.join(held) or 'none'}"
        )
    return holding


def _require_adoptable(tx: Transaction, holding: ExternalHolding) -> None:
    is_stock = holding.asset_class == "us_equity" and not is_contract(holding.symbol)
    if not is_stock or holding.quantity <= 0:
        raise InvalidInput(
            f"symbol: {holding.symbol} is no stock held long: only that can be guarded here"
        )
    if positions.find_open(tx, holding.account_name, holding.symbol) is not None:
        raise InvalidInput(
            f"symbol: a position of ours in {holding.symbol} is open: close it first"
        )


def _position(
    account: Account,
    holding: ExternalHolding,
    price: Decimal,
    *,
    use: HoldingUse,
    in_force: Versioned,
    now: datetime,
) -> Position:
    """At its present price: what it lost before was not lost here."""
    position = adopted_position(
        account.account_name,
        holding.symbol,
        execution_mode=account.execution_mode,
        broker=account.broker,
        quantity=holding.quantity,
        price=price,
        at=now,
        rules=in_force.rules.exits,
    )
    if use == "swing":
        return replace(position, strategy_type="swing_trade", max_hold_minutes=None)
    return position


def _more_there(tx: Transaction, account: str, symbol: str) -> Decimal | None:
    """How many shares the last comparison found besides ours and those that are left alone."""
    for kind in _MORE_THERE:
        found = alerts.find_open(tx, AlertKey(kind, account, symbol))
        if found is not None:
            _, details = found
            return Decimal(str(details["broker"])) - Decimal(str(details["ours"]))
    return None
