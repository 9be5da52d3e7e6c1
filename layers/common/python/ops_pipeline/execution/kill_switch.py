"""The daily-loss switch: latched the moment a loss is seen, open again in the next session."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import accounts, facts, halts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.cash import day_loss, net_deposits
from ops_pipeline.domain.gates import judge_loss
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution.sending import AccountContext
from ops_pipeline.ports import Broker, Calendar

_KIND = "kill_switch"


def latch(tx: Transaction, ctx: AccountContext, reason: str) -> None:
    """Halt the account's entries for the rest of this session, and say so."""
    now = ctx.clock.now()
    if not halts.latch_kill_switch(tx, account=ctx.name, reason=reason, day=new_york_day(now)):
        return
    alerts.open_alert(
        tx,
        kind=_KIND,
        scope=ctx.name,
        subject=ctx.name,
        severity="critical",
        message=reason,
        details={"day": new_york_day(now)},
        now=now,
    )


def release(ctx: AccountContext) -> None:
    """Open a latch of an earlier session."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        if halts.release_kill_switch(tx, account=ctx.name, day=new_york_day(now)):
            alerts.resolve_alert(tx, kind=_KIND, scope=ctx.name, subject=ctx.name, now=now)


def deposits_of_the_day(broker: Broker, calendar: Calendar, now: datetime) -> Decimal | None:
    """What was brought in since the last session's close, USD; None is unknown.

    Ask for it after the account: a deposit that its equity shows is then listed.

    Raises:
        BrokerUnavailable: the activities could not be read.
    """
    since = calendar.previous_session(new_york_day(now)).closes_at
    return net_deposits(broker.cash_activities_since(since))


def watch(ctx: AccountContext, calendar: Calendar) -> None:
    """Latch while positions are guarded: a loss that comes and goes between two entries counts."""
    now = ctx.clock.now()
    broker_loss = _broker_loss(ctx, calendar)
    day_start = new_york_time(new_york_day(now), 0)
    with ctx.db.transaction() as tx:
        account = accounts.load_locked(tx, ctx.name)
        pnl = facts.day_pnl(tx, account=ctx.name, mode=account.execution_mode, day_start=day_start)
        verdict = judge_loss(-pnl, broker_loss, account.max_daily_loss)
        if not verdict.passed:
            latch(tx, ctx, verdict.reason)


def _broker_loss(ctx: AccountContext, calendar: Calendar) -> Decimal:
    """Zero where the broker does not say: the ledger's loss still counts, entries are refused."""
    if ctx.broker is None:
        return Decimal(0)
    try:
        account = ctx.broker.account()
        deposits = deposits_of_the_day(ctx.broker, calendar, ctx.clock.now())
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("broker_loss_unknown", account=ctx.name, error=str(error))
        return Decimal(0)
    return day_loss(account, deposits) or Decimal(0)
