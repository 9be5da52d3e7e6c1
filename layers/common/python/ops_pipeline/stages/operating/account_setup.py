"""Adds accounts, switches them on and off and changes their limits, on the operator's command.

Nothing here talks to a broker or touches what is open: an account that is switched off, or that
holds more than its new limits allow, is guarded as before.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ops_pipeline.db import accounts, bindings
from ops_pipeline.db.deployment import account_rows
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.deployment import account_limits
from ops_pipeline.domain.deployment.account_limits import NEW_LIMITS, LimitValue, shown
from ops_pipeline.domain.deployment.description import ACCOUNT_NAME, NO_NAME
from ops_pipeline.domain.deployment.modes import MODES, NO_REAL_MONEY, Mode, stored_mode
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import InvalidInput
from ops_pipeline.execution import limit_breach
from ops_pipeline.ports import Clock

AccountAction = Literal["add_account", "switch_account", "limit_account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCommand:
    """One change of one account.

    Attributes:
        broker, mode: Of a new account.
        on: For switch_account.
        limits: By name, as text or numbers; of a new account those that are not the usual ones.
    """

    action: AccountAction
    operator: str
    reason: str
    account: str
    broker: str = "alpaca"
    mode: str = "paper"
    on: bool | None = None
    limits: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What came of a command.

    Attributes:
        changed: What is different now, a sentence each; none where it was so before.
        notes: What stays as it was, or is still to be done.
    """

    account: str
    changed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSetup:
    """What changing accounts takes.

    Attributes:
        knows_broker: Whether an adapter is registered under a name; raises SettingsInvalid, which
            lists those that are, where none is.
        deployed: In AWS the accounts whose keys this stack may read; None: any.
    """

    db: UnitsOfWork
    knows_broker: Callable[[str], object]
    clock: Clock
    deployed: tuple[str, ...] | None = None

    def run(self, command: AccountCommand) -> dict[str, Any]:
        """Carry out the command and record it, or change nothing and say so.

        Raises:
            InvalidInput: no reason, no such account, or a value that is none.
        """
        if not command.reason.strip():
            raise InvalidInput("reason: say why, it is kept with the action")
        with self.db.transaction() as tx:
            done = self._do(tx, command)
            if done.changed:
                operator.record(
                    tx,
                    operator=command.operator,
                    action=command.action,
                    scope=command.account,
                    reason=command.reason,
                    details={"changed": done.changed},
                    now=self.clock.now(),
                )
        return {"action": command.action, **asdict(done)}

    def _do(self, tx: Transaction, command: AccountCommand) -> AccountChange:
        name = command.account
        if command.action == "add_account":
            limits = read_limits(command.limits)
            return self.add(tx, name, broker=command.broker, mode=command.mode, limits=limits)
        if command.action == "switch_account":
            if command.on is None:
                raise InvalidInput("on: say true or false")
            return self.switch(tx, name, on=command.on)
        if not command.limits:
            raise InvalidInput("limits: say which, as name and value")
        return self.limit(tx, name, read_limits(command.limits))

    def add(
        self,
        tx: Transaction,
        name: str,
        *,
        broker: str,
        mode: str,
        limits: Mapping[str, LimitValue],
    ) -> AccountChange:
        """Add an account, switched off and unbound; one that is there stays as it is.

        Raises:
            InvalidInput: the name, the mode or a limit is none, or the stack has no such account.
            SettingsInvalid: no adapter is registered for the broker.
        """
        self.require_deployed([name])
        if not ACCOUNT_NAME.fullmatch(name):
            raise InvalidInput(f"account: {NO_NAME}")
        chosen = require_mode(mode)
        self.knows_broker(broker)
        whole = {**NEW_LIMITS, **limits}
        _require_order(whole)
        added = account_rows.add(
            tx, name, broker=broker, mode=stored_mode(chosen, broker), limits=whole
        )
        if not added:
            return AccountChange(name, (), (f"there is an account {name} already",))
        what = f"added at {broker}, {chosen}: {_limits_shown(whole)}"
        return AccountChange(name, (what,), _next_steps(name, broker, simulated=not _bound(chosen)))

    def switch(self, tx: Transaction, name: str, *, on: bool) -> AccountChange:
        """Let an account make new entries, or no more; what is open is guarded either way."""
        account = accounts.load_locked(tx, name)
        changed = account_rows.switch(tx, name, active=on)
        word = "on" if on else "off"
        said = (f"switched {word}",) if changed else ()
        before = () if changed else (f"it is switched {word} already",)
        return AccountChange(name, said, (*before, *self._after_switch(tx, account, on=on)))

    def _after_switch(self, tx: Transaction, account: Account, *, on: bool) -> tuple[str, ...]:
        name = account.account_name
        if not on:
            held = account_rows.open_things(tx, name)
            if not held:
                return ("nothing of it is open",)
            return (
                f"{held} stay open and guarded: stops and exits go on;"
                f" `ops close --account {name}` sells",
            )
        if not account.simulated and bindings.bound_at(tx, name) is None:
            return (f"it does nothing yet: {bindings.missing(name, account.broker)}",)
        halts = account.halts(new_york_day(self.clock.now()))
        return tuple(f"entries are halted by {who}: {why}" for who, why in halts.items())

    def limit(self, tx: Transaction, name: str, limits: Mapping[str, LimitValue]) -> AccountChange:
        """Give an account other limits; those that are not named stay.

        Raises:
            InvalidInput: two of its limits would contradict each other.
        """
        accounts.load_locked(tx, name)
        before = account_rows.limits_of(tx, name)
        after = {**before, **limits}
        changed = tuple(
            f"{limit}: {shown(before[limit])} -> {shown(value)}"
            for limit, value in after.items()
            if value != before[limit]
        )
        if not changed:
            return AccountChange(name, (), ("these are its limits already",))
        _require_order(after)
        account_rows.set_limits(tx, name, after)
        over = limit_breach.check(tx, accounts.load(tx, name), self.clock.now())
        note = () if over is None else (f"{over.message}: nothing is sold, and nothing entered",)
        return AccountChange(name, changed, note)

    def require_deployed(self, names: list[str]) -> None:
        """Raises InvalidInput where a stack cannot read the keys of one of these accounts."""
        if self.deployed is None:
            return
        if unknown := [name for name in names if name not in self.deployed]:
            raise InvalidInput(
                f"accounts: this stack is deployed with {', '.join(self.deployed)}, not with"
                f" {', '.join(unknown)}: name it in `accounts` of CDK's context and deploy first"
            )


def read_limits(given: Mapping[str, object]) -> dict[str, LimitValue]:
    """The limits as numbers.

    Raises:
        InvalidInput: names each that is unknown or out of its bounds.
    """
    limits, wrong = account_limits.read_limits(given)
    if wrong:
        raise InvalidInput("; ".join(wrong))
    return limits


def require_mode(mode: str) -> Mode:
    """Raises InvalidInput where it is not paper or simulated: real money is not offered."""
    for known in MODES:
        if mode == known:
            return known
    raise InvalidInput(f"mode: {NO_REAL_MONEY}")


def _require_order(limits: Mapping[str, LimitValue]) -> None:
    if wrong := list(account_limits.out_of_order(limits)):
        raise InvalidInput("; ".join(wrong))


def _limits_shown(limits: Mapping[str, LimitValue]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in limits.items())


def _bound(mode: Mode) -> bool:
    """Whether it trades at a broker, and so must be bound to an account there."""
    return mode != "simulated"


def _next_steps(name: str, broker: str, *, simulated: bool) -> tuple[str, ...]:
    on = f"`ops accounts switch {name} on` lets it enter"
    if simulated:
        return (f"it is switched off: {on}",)
    prefix = f"{broker}_{name}".upper()
    return (
        f"it is switched off and unbound: set {prefix}_KEY_ID, {prefix}_SECRET_KEY and"
        f" {prefix}_ACCOUNT_NUMBER (in AWS its secret)",
        f"then `ops accounts bind --account {name}`, and {on}",
    )
