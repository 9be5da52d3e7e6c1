"""One entry: gather fresh facts, size it, pass the gates, and turn it into an intent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

from ops_pipeline.db import accounts, dispatch
from ops_pipeline.db.dispatch import Recommendation
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain import gates
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.gates import Verdicts
from ops_pipeline.domain.market import Quote, new_york_day
from ops_pipeline.domain.orders import Order, client_order_id
from ops_pipeline.domain.sizing import Size
from ops_pipeline.execution import kill_switch
from ops_pipeline.execution.entry_facts import BrokerSnapshot, MarketSnapshot, gather
from ops_pipeline.execution.sending import AccountContext
from ops_pipeline.ports import Calendar


@dataclass(frozen=True, slots=True)
class Assessment:
    """The gates' answers and, when all passed, the order to place.

    Attributes:
        overtaken: The recommendation was ended since it was claimed, by the operator or by
            its time: nothing is placed, and its end stands.
    """

    verdicts: Verdicts
    size: Size | None
    order: Order | None
    overtaken: bool = False


def market_snapshot(
    ctx: AccountContext,
    calendar: Calendar,
    tickers: Sequence[str],
    *,
    broker_account: BrokerAccount | None,
    broker_snapshot: BrokerSnapshot | None,
    deposits: Decimal | None,
    quotes: Mapping[str, Quote],
) -> MarketSnapshot:
    today = new_york_day(ctx.clock.now())
    return MarketSnapshot(
        tickers=tuple(tickers),
        session=calendar.session(today),
        previous_session=calendar.previous_session(today).day,
        broker_account=broker_account,
        broker_snapshot=broker_snapshot,
        deposits=deposits,
        quotes=quotes,
    )


def assess(
    tx: Transaction, ctx: AccountContext, recommendation: Recommendation, snapshot: MarketSnapshot
) -> Assessment:
    """Evaluate every gate under the account's row lock and keep the verdicts.

    Limits and halts are read anew: the operator may have halted while the run was under
    way. A daily loss over the limit latches the kill switch in the same unit of work.
    """
    ctx = replace(ctx, account=accounts.load_locked(tx, ctx.name))
    gathered = gather(tx, ctx, recommendation, snapshot)
    size, limit = gathered.size, gathered.limit
    if recommendation.action == "SELL":
        verdicts = gates.assess_sell(gathered.facts, ctx.rules.gates)
        kept = dispatch.keep_verdicts(tx, recommendation.id, verdicts, sizing=None)
    else:
        verdicts = gates.assess_entry(gathered.facts, ctx.rules.gates)
        kept = dispatch.keep_verdicts(tx, recommendation.id, verdicts, _sizing(size, limit))
    loss = verdicts.get("daily_loss")
    if loss is not None and not loss.passed and loss.observed is not None:
        kill_switch.latch(tx, ctx, loss.reason)
    if not kept or gates.refused(verdicts) or recommendation.action == "SELL":
        return Assessment(verdicts, size, None, overtaken=not kept)
    if size is None or limit is None:
        raise ValueError("every gate passed without a size: the size gate is broken")
    attempt = gathered.attempts + 1
    return Assessment(verdicts, size, _intent(ctx, recommendation, size, limit, attempt))


def _intent(
    ctx: AccountContext, recommendation: Recommendation, size: Size, limit: Decimal, attempt: int
) -> Order:
    return Order(
        client_order_id=client_order_id(
            deployment=ctx.deployment,
            account=ctx.name,
            symbol=recommendation.ticker,
            tick=ctx.tick,
            purpose="entry",
            attempt=attempt,
        ),
        account_name=ctx.name,
        purpose="entry",
        recommendation_id=recommendation.id,
        position_id=None,
        attempt=attempt,
        ticker=recommendation.ticker,
        symbol=recommendation.ticker,
        instrument_type=recommendation.instrument_type,
        multiplier=1,
        side="buy",
        quantity=size.quantity,
        order_type="limit",
        price=limit,
        reserved_notional=size.quantity * limit,
        reason="signal",
        decided_at=ctx.clock.now(),
        tick=ctx.tick,
        parameter_version=ctx.parameters.version,
    )


def _sizing(size: Size | None, limit: Decimal | None) -> dict[str, object] | None:
    return None if size is None else {**asdict(size), "limit_price": limit}
