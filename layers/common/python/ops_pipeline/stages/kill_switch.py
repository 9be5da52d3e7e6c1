"""The daily-loss switch: latched the moment a loss is seen, open again in the next session."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import accounts, alerts, facts, halts
from ops_pipeline.db.connection import Transaction
from ops_pipeline.domain.cash import day_loss, net_deposits
from ops_pipeline.domain.gates import judge_loss
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.ports import Broker, Calendar
from ops_pipeline.stages.road import Road

_KIND = "kill_switch"


def latch(tx: Transaction, way: Road, reason: str) -> None:
    """Halt the account's entries for the rest of this session, and say so."""
    now = way.clock.now()
    if not halts.latch_kill_switch(tx, account=way.name, reason=reason, day=new_york_day(now)):
        return
    alerts.open_alert(
        tx,
        kind=_KIND,
        scope=way.name,
        subject=way.name,
        severity="critical",
        message=reason,
        details={"day": new_york_day(now)},
        now=now,
    )


def release(way: Road) -> None:
    """Open a latch of an earlier session."""
    now = way.clock.now()
    with way.db.transaction() as tx:
        if halts.release_kill_switch(tx, account=way.name, day=new_york_day(now)):
            alerts.resolve_alert(tx, kind=_KIND, scope=way.name, subject=way.name, now=now)


def deposits_of_the_day(broker: Broker, calendar: Calendar, now: datetime) -> Decimal | None:
    """What was brought in since the last session's close, USD; None is unknown.

    Ask for it after the account: a deposit that its equity shows is then listed.

    Raises:
        BrokerUnavailable: the activities could not be read.
    """
    since = calendar.previous_session(new_york_day(now)).closes_at
    return net_deposits(broker.cash_activities_since(since))


def watch(way: Road, calendar: Calendar) -> None:
    """Latch while positions are guarded: a loss that comes and goes between two entries counts."""
    now = way.clock.now()
    broker_loss = _broker_loss(way, calendar)
    day_start = new_york_time(new_york_day(now), 0)
    with way.db.transaction() as tx:
        account = accounts.load_locked(tx, way.name)
        pnl = facts.day_pnl(tx, account=way.name, mode=account.execution_mode, day_start=day_start)
        verdict = judge_loss(-pnl, broker_loss, account.max_daily_loss)
        if not verdict.passed:
            latch(tx, way, verdict.reason)


def _broker_loss(way: Road, calendar: Calendar) -> Decimal:
    """Zero where the broker does not say: the ledger's loss still counts, entries are refused."""
    if way.broker is None:
        return Decimal(0)
    try:
        account = way.broker.account()
        deposits = deposits_of_the_day(way.broker, calendar, way.clock.now())
    except BrokerUnavailable as error:
        way.journal.went_wrong("broker_loss_unknown", account=way.name, error=str(error))
        return Decimal(0)
    return day_loss(account, deposits) or Decimal(0)
