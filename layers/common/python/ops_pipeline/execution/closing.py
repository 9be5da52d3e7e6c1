"""Closes what was asked to be closed: one step each tick, until it is flat and nothing is live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.db import accounts, close_requests, facts, positions
from ops_pipeline.db.close_requests import CloseRequest, RequestedExit
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.orders import WATCHED_FOR
from ops_pipeline.domain.trading_terms import Instrument


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request set going.

    Attributes:
        requests: Ids of the stored requests, one an account.
        accounts: Whose they are, in the same order.
        closing: Account and symbol of everything held or live.
        exits: Positions that were not being closed before.
        cancelled: How many live orders were asked to be cancelled.
    """

    requests: Sequence[str]
    accounts: Sequence[str]
    closing: Sequence[str]
    exits: Sequence[RequestedExit]
    cancelled: int


@dataclass(frozen=True, slots=True)
class Step:
    """The exits and cancels newly asked for."""

    exits: Sequence[RequestedExit] = ()
    cancelled: int = 0


def ask(tx: Transaction, request: CloseRequest, *, instrument: Instrument | None = None) -> Asked:
    """Store the request and take its first step, under the locks of the accounts concerned."""
    names = accounts.all_names(tx) if request.account is None else [request.account]
    for name in names:
        facts.lock_account(tx, name)
    found = close_requests.concerned(
        tx, request, late_since=request.asked_at - WATCHED_FOR, instrument=instrument
    )
    requests = [
        str(close_requests.insert(tx, request, each.account_name, each.symbols)) for each in found
    ]
    steps = [carry_out(tx, each.account_name, request.asked_at) for each in found]
    return Asked(
        requests=requests,
        accounts=[each.account_name for each in found],
        closing=[f"{it.account_name} {s}" for it in found if it.there for s in it.symbols],
        exits=[asked for step in steps for asked in step.exits],
        cancelled=sum(step.cancelled for step in steps),
    )


def carry_out(tx: Transaction, account: str, now: datetime) -> Step:
    """Ask for what the account's open requests need now, and end those that are done."""
    facts.lock_account(tx, account)
    if not close_requests.any_open(tx, account):
        return Step()
    exits = close_requests.request_exits(tx, account, now)
    for asked in exits:
        positions.add_event(
            tx,
            position_id=asked.id,
            account=account,
            kind="exit_requested",
            details={"rule": asked.rule, "by": asked.asked_by, "reason": asked.reason},
            now=now,
        )
    cancelled = close_requests.cancel_entries(tx, account, now)
    cancelled += close_requests.cancel_by_hand(tx, account, now)
    close_requests.end(tx, account, now)
    return Step(exits, cancelled)
