"""The daily-loss switch: latches as soon as the loss is seen, ends with its session."""

from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.db import accounts, facts, halts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import losses
from ops_pipeline.db.holdings.external import HeldBefore
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.cash import day_loss
from ops_pipeline.domain.gates import judge_loss, loss_at_broker_alone
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.operations.alerts import AlertKey, kill_switch
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.snapshots import deposits_today, external_gain
from ops_pipeline.ports import Broker

# A tick may be missed between the two that have to agree.
_SECOND_WITHIN = timedelta(minutes=3)


def latch(tx: Transaction, account: str, reason: str, now: datetime) -> None:
    """Halt the account's entries for the rest of this session, and alert."""
    day = new_york_day(now)
    if halts.latch_kill_switch(tx, account=account, reason=reason, day=day):
        alerts.open_alert(tx, kill_switch(account, reason, day), now=now)


def release(tx: Transaction, account: str, now: datetime) -> None:
    """Resolve the alert of an earlier session's latch, which has ended by itself."""
    if halts.kill_switch_lapsed(tx, account=account, day=new_york_day(now)):
        alerts.resolve_alert(tx, AlertKey("kill_switch", account, account), now=now)


def latch_when_sure(
    tx: Transaction,
    account: str,
    reason: str,
    *,
    at_broker: Decimal | None,
    tick: datetime,
    now: datetime,
) -> None:
    """Latch on a loss of our own ledger at once, on one of the broker's equity at its second tick.

    One odd quote may mark a position, and with it the equity, far from its price.

    Args:
        at_broker: The loss that only the broker's equity shows, USD; None: our ledger shows it.
    """
    if at_broker is None or losses.is_confirmed(tx, account, tick, within=_SECOND_WITHIN):
        latch(tx, account, reason, now)
    else:
        losses.keep(tx, account, tick=tick, loss=at_broker, within=_SECOND_WITHIN)


def watch(
    tx: Transaction, account: str, broker_loss: Decimal | None, *, tick: datetime, now: datetime
) -> None:
    """Latch on the current loss; called each tick, so that a loss between two entries counts.

    Args:
        broker_loss: None: the broker does not say. The ledger's loss still counts.
    """
    current = accounts.load_locked(tx, account)
    day_start = new_york_time(new_york_day(now), 0)
    pnl = facts.day_pnl(tx, account=account, mode=current.execution_mode, day_start=day_start)
    limit = current.max_daily_loss
    verdict = judge_loss(-pnl, broker_loss or Decimal(0), limit)
    if not verdict.passed:
        alone = loss_at_broker_alone(-pnl, broker_loss, limit)
        latch_when_sure(tx, account, verdict.reason, at_broker=alone, tick=tick, now=now)
    elif broker_loss is not None:
        losses.forget(tx, account)


def broker_loss(
    market: MarketReader, broker: Broker | None, before: HeldBefore, limit: Decimal
) -> Decimal | None:
    """The day's loss at the broker, USD.

    Returns None if the broker does not report it: the ledger's loss still counts, and entries
    are refused.

    Args:
        before: What the account held before its first run, and our dividends of today.
        limit: Below it nobody needs to know what else the account holds.
    """
    if broker is None:
        return Decimal(0)
    try:
        account = broker.account()
        deposits = deposits_today(market, broker)
        loss = day_loss(account, deposits, Decimal(0), before.dividends)
        if loss is None or (loss < limit and not before.holdings):
            return loss
        gained = external_gain(market, broker, before)
        return day_loss(account, deposits, gained, before.dividends)
    except BrokerUnavailable as error:
        market.journal.went_wrong(
            "broker_loss_unknown", account=market.account_name, error=str(error)
        )
        return None
