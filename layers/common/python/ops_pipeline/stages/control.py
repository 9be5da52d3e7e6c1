"""Operator commands: halt and resume entries, close positions, change feeds and tickers.

Each is one transaction with its record in operator_actions. Nothing here talks to a broker:
the position manager, which runs even if entries are halted or the trading cycle fails, is the
only exit authority, and repeats a close until it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ops_pipeline.db import accounts
from ops_pipeline.db.close_requests import CloseRequest
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts, operator
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.deployment.named_accounts import FILE
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.errors import InvalidInput
from ops_pipeline.execution import closing
from ops_pipeline.ports import Clock
from ops_pipeline.stages.account_binding import BindCommand
from ops_pipeline.stages.operating import event_setup, feed_setup, watching
from ops_pipeline.stages.operating.account_setup import AccountAction, AccountCommand
from ops_pipeline.stages.operating.checks import Subject
from ops_pipeline.stages.operating.deployment_setup import ApplyCommand
from ops_pipeline.stages.operating.event_setup import RequestedEvents
from ops_pipeline.stages.operating.feed_setup import RequestedFeeds
from ops_pipeline.stages.operating.holding_adoption import (
    HoldingAdoption,
    HoldingCommand,
    HoldingUse,
)
from ops_pipeline.stages.operating.order_check import OrderCheckCommand
from ops_pipeline.stages.operating.watching import RequestedTickers
from ops_pipeline.stages.rebuilding import RebuildCommand

Action = Literal["halt", "resume", "close"]
SetupAction = Literal[
    "bind",
    "rebuild",
    "check",
    "check_order",
    "adopt_holding",
    "apply",
    "feeds",
    "tickers",
    "events",
]

_WHO = ("operator", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCommand:
    """One command of an operator.

    Attributes:
        account: None means all accounts.
        ticker: Only for "close"; None means every position.
    """

    action: Action
    operator: str
    reason: str
    account: str | None = None
    ticker: str | None = None

    @property
    def scope(self) -> str:
        return self.account or EVERYTHING

    def close_request(self, now: datetime) -> CloseRequest:
        """The request of a close, its symbol as the market writes it.

        Raises:
            InvalidInput: the symbol is blank, which must not come to mean all of them.
        """
        ticker = None if self.ticker is None else self.ticker.strip().upper()
        if ticker == "":
            raise InvalidInput("ticker: it is blank; leave it out to close everything")
        return CloseRequest(
            account=self.account,
            ticker=ticker,
            rule="operator",
            asked_by=self.operator,
            reason=self.reason,
            asked_at=now,
        )


class Request(BaseModel):
    """A command as an event; what it is about has a default, and bind and rebuild only compare."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action | SetupAction | AccountAction = Field(
        description="halt, resume, close, bind, rebuild, check, check_order, apply, feeds, tickers,"
        " events, adopt_holding, or a change of an account."
    )
    operator: str = Field(min_length=1, max_length=100, description="Who asks.")
    reason: str = Field(min_length=1, max_length=500, description="Why; it is kept.")
    account: str | None = Field(default=None, description="One account; all if left out.")
    ticker: str | None = Field(
        default=None, description="For close: only this one. For check_order: the symbol."
    )
    subject: Subject | None = Field(default=None, description="For check: what is tried.")
    number: str | None = Field(
        default=None, repr=False, description="For bind: the account's number at its broker."
    )
    reset: bool = Field(default=False, description="For bind: give up what is open here.")
    confirm: bool = Field(
        default=False,
        description="For bind, rebuild, check_order and apply: do it; else only compare. Required"
        " for a whole close, and to resume all accounts.",
    )
    broker: str = Field(default="alpaca", max_length=50, description="For add_account.")
    mode: str = Field(default="paper", description="For add_account: paper or simulated.")
    on: bool | None = Field(default=None, description="For switch_account.")
    limits: dict[str, int | float | str | None] = Field(
        default_factory=dict, description="For add_account and limit_account, by name."
    )
    file: dict[str, Any] = Field(default_factory=dict, description="For apply: all of ops.toml.")
    parameters: bool = Field(
        default=False, description="For apply: also where other ones are in force than a file's."
    )
    shown: list[str] | None = Field(
        default=None, description="For apply: what was agreed to; anything else is refused."
    )
    file_name: str = Field(
        default=FILE, max_length=1000, description="For apply: what the person calls the file."
    )
    feeds: RequestedFeeds | None = Field(
        default=None, description="For feeds: what changes in the list of feeds."
    )
    tickers: RequestedTickers | None = Field(
        default=None, description="For tickers: what is watched, and what is not."
    )

    events: RequestedEvents | None = Field(
        default=None, description="For events: which dates are added or removed."
    )
    symbol: str | None = Field(default=None, max_length=200, description="For adopt_holding.")
    use: HoldingUse | None = Field(
        default=None, description="For adopt_holding: day_trade, swing or left_alone."
    )

    @model_validator(mode="after")
    def _says_what_changes(self) -> Self:
        for name in ("feeds", "tickers", "events"):
            if (self.action == name) != (getattr(self, name) is not None):
                raise ValueError(f"{name}: for the action {name}, and only for that")
        return self

    def command(self) -> ControlCommand:
        """The command to carry out.

        Raises:
            InvalidInput: it would close or resume everything and does not say that this is meant.
        """
        if self.action == "resume" and self.account is None and not self.confirm:
            raise InvalidInput("confirm: without an account all of them are resumed; say true")
        if self.action == "close" and self.ticker is None and not self.confirm:
            whose = f"in {self.account}" if self.account else "in all accounts"
            raise InvalidInput(f"confirm: without a ticker everything {whose} is closed; say true")
        return ControlCommand(**self._named("action", *_WHO, "account", "ticker"))

    def bind_command(self) -> BindCommand:
        return BindCommand(**self._named(*_WHO, "account", "number", "reset", "confirm"))

    def rebuild_command(self) -> RebuildCommand:
        return RebuildCommand(**self._named(*_WHO, "account", "confirm"))

    def account_command(self) -> AccountCommand:
        """The change of an account to carry out.

        Raises:
            InvalidInput: it does not say which account.
        """
        if self.account is None:
            raise InvalidInput("account: say which")
        return AccountCommand(
            **self._named("action", *_WHO, "account", "broker", "mode", "on", "limits")
        )

    def check_subject(self) -> Subject:
        """Raises InvalidInput where a check does not say of what."""
        if self.subject is None:
            raise InvalidInput("subject: say what to check")
        return self.subject

    def order_check_command(self) -> OrderCheckCommand:
        """Raises InvalidInput where it does not say which account and symbol."""
        if self.account is None or not (ticker := (self.ticker or "").strip().upper()):
            raise InvalidInput("account, ticker: say which")
        return OrderCheckCommand(
            **self._named(*_WHO, "account", "confirm"),
            ticker=ticker,
        )

    def apply_command(self) -> ApplyCommand:
        return ApplyCommand(
            **self._named(*_WHO, "file", "parameters", "confirm", "shown", "file_name")
        )

    def set_up(self, *, db: UnitsOfWork, clock: Clock) -> dict[str, Any]:
        """Change feeds, tickers or holdings. Raises InvalidInput where it does not say what."""
        if self.action == "adopt_holding":
            return HoldingAdoption(db=db, clock=clock).run(self.holding_command())
        if self.feeds is not None:
            return feed_setup.run(
                self.feeds.command(self.operator, self.reason), db=db, clock=clock
            )
        if self.tickers is not None:
            return watching.run(
                self.tickers.command(self.operator, self.reason), db=db, clock=clock
            )
        if self.events is not None:
            return event_setup.run(
                self.events.command(self.operator, self.reason), db=db, clock=clock
            )
        raise InvalidInput("feeds, tickers, events: say what changes")

    def holding_command(self) -> HoldingCommand:
        """What becomes of what was there before the first run.

        Raises:
            InvalidInput: it does not say of which account, which symbol, or what.
        """
        for name in ("account", "symbol", "use"):
            if getattr(self, name) is None:
                raise InvalidInput(f"{name}: say which")
        return HoldingCommand(**self._named(*_WHO, "account", "symbol", "use"))

    def _named(self, *fields: str) -> dict[str, Any]:
        return self.model_dump(include=set(fields))


def run(command: ControlCommand, *, db: UnitsOfWork, clock: Clock) -> dict[str, Any]:
    """Carry out the command and record it; returns its effects.

    Raises:
        InvalidInput: no reason is given, or no such account.
    """
    if not command.reason.strip():
        raise InvalidInput("reason: say why, it is kept with the action")
    with db.transaction() as tx:
        if command.account is not None:
            accounts.load(tx, command.account)
        details = _do(tx, command, clock)
        operator.record(
            tx,
            operator=command.operator,
            action=command.action,
            scope=command.scope,
            reason=command.reason,
            details={"ticker": command.ticker, **details},
            now=clock.now(),
        )
    return {"action": command.action, **details}


def _do(tx: Transaction, command: ControlCommand, clock: Clock) -> Mapping[str, object]:
    if command.action == "halt":
        return {"halted": operator.halt(tx, account=command.account, reason=command.reason)}
    if command.action == "resume":
        resumed = operator.resume(
            tx, account=command.account, today=new_york_day(clock.now()), now=clock.now()
        )
        for name in resumed:
            ended: list[AlertKind] = ["order_limit"]
            if accounts.load(tx, name).ledger_halt is None:
                ended.append("ledger_in_doubt")
            alerts.resolve_kinds(tx, kinds=ended, scope=name, now=clock.now())
        halted = {name: why for name, why in resumed.items() if why is not None}
        return {"resumed": sorted(resumed), "still_halted": halted}
    return _close(tx, command, clock)


def _close(tx: Transaction, command: ControlCommand, clock: Clock) -> Mapping[str, object]:
    request = command.close_request(clock.now())
    asked = closing.ask(tx, request)
    cancelled = operator.cancel_recommendations(
        tx,
        account=request.account,
        ticker=request.ticker,
        reason=f"Closed by {request.asked_by}: {request.reason}",
        now=request.asked_at,
    )
    return {
        "ticker": request.ticker,
        "requests": asked.requests,
        "accounts": asked.accounts,
        "closing": asked.closing,
        "exits_asked": [f"{position.account_name} {position.symbol}" for position in asked.exits],
        "entries_cancelled": asked.cancelled,
        "recommendations_cancelled": cancelled,
    }
