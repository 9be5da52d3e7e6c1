"""The daily-loss switch: latches as soon as the loss is seen, ends with its session."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import accounts, facts, halts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.cash import day_loss
from ops_pipeline.domain.gates import judge_loss
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.operations.alerts import AlertKey, kill_switch
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.snapshots import deposits_today
from ops_pipeline.ports import Broker


def latch(tx: Transaction, account: str, reason: str, now: datetime) -> None:
    """Halt the account's entries for the rest of this session, and alert."""
    day = new_york_day(now)
    if halts.latch_kill_switch(tx, account=account, reason=reason, day=day):
        alerts.open_alert(tx, kill_switch(account, reason, day), now=now)


def release(tx: Transaction, account: str, now: datetime) -> None:
    """Resolve the alert of an earlier session's latch, which has ended by itself."""
    if halts.kill_switch_lapsed(tx, account=account, day=new_york_day(now)):
        alerts.resolve_alert(tx, AlertKey("kill_switch", account, account), now=now)


def watch(tx: Transaction, account: str, broker_loss: Decimal, now: datetime) -> None:
    """Latch on the current loss; called each tick, so that a loss between two entries counts."""
    current = accounts.load_locked(tx, account)
    day_start = new_york_time(new_york_day(now), 0)
    pnl = facts.day_pnl(tx, account=account, mode=current.execution_mode, day_start=day_start)
    verdict = judge_loss(-pnl, broker_loss, current.max_daily_loss)
    if not verdict.passed:
        latch(tx, account, verdict.reason, now)


def broker_loss(market: MarketReader, broker: Broker | None) -> Decimal:
    """The day's loss at the broker, USD.

    Returns 0 if the broker does not report it: the ledger's loss still counts, and entries
    are refused.
    """
    if broker is None:
        return Decimal(0)
    try:
        account = broker.account()
        deposits = deposits_today(market, broker)
    except BrokerUnavailable as error:
        market.journal.went_wrong(
            "broker_loss_unknown", account=market.account_name, error=str(error)
        )
        return Decimal(0)
    return day_loss(account, deposits) or Decimal(0)
