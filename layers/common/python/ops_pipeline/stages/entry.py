"""One entry: gather fresh facts, size it, pass the gates, and turn it into an intent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

from ops_pipeline.db import accounts, dispatch
from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.dispatch import Recommendation
from ops_pipeline.domain import gates
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.gates import Verdicts
from ops_pipeline.domain.market import Quote, new_york_day
from ops_pipeline.domain.orders import Order, client_order_id
from ops_pipeline.domain.sizing import Size
from ops_pipeline.ports import Calendar
from ops_pipeline.stages import kill_switch
from ops_pipeline.stages.entry_facts import Listed, Surroundings, gather
from ops_pipeline.stages.road import Road


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


def surroundings(
    road: Road,
    calendar: Calendar,
    tickers: Sequence[str],
    *,
    broker_account: BrokerAccount | None,
    listed: Listed | None,
    deposits: Decimal | None,
    quotes: Mapping[str, Quote],
) -> Surroundings:
    today = new_york_day(road.clock.now())
    return Surroundings(
        tickers=tuple(tickers),
        session=calendar.session(today),
        previous_session=calendar.previous_session(today).day,
        broker_account=broker_account,
        listed=listed,
        deposits=deposits,
        quotes=quotes,
    )


def assess(
    tx: Transaction, road: Road, recommendation: Recommendation, around: Surroundings
) -> Assessment:
    """Evaluate every gate under the account's row lock and keep the verdicts.

    Limits and halts are read anew: the operator may have halted while the run was under
    way. A daily loss over the limit latches the kill switch in the same unit of work.
    """
    road = replace(road, account=accounts.load_locked(tx, road.name))
    gathered = gather(tx, road, recommendation, around)
    size, limit = gathered.size, gathered.limit
    if recommendation.action == "SELL":
        verdicts = gates.assess_sell(gathered.facts, road.rules.gates)
        kept = dispatch.keep_verdicts(tx, recommendation.id, verdicts, sizing=None)
    else:
        verdicts = gates.assess_entry(gathered.facts, road.rules.gates)
        kept = dispatch.keep_verdicts(tx, recommendation.id, verdicts, _sizing(size, limit))
    loss = verdicts.get("daily_loss")
    if loss is not None and not loss.passed and loss.observed is not None:
        kill_switch.latch(tx, road, loss.reason)
    if not kept or gates.refused(verdicts) or recommendation.action == "SELL":
        return Assessment(verdicts, size, None, overtaken=not kept)
    if size is None or limit is None:
        raise ValueError("every gate passed without a size: the size gate is broken")
    attempt = gathered.attempts + 1
    return Assessment(verdicts, size, _intent(road, recommendation, size, limit, attempt))


def _intent(
    road: Road, recommendation: Recommendation, size: Size, limit: Decimal, attempt: int
) -> Order:
    return Order(
        client_order_id=client_order_id(
            deployment=road.deployment,
            account=road.name,
            symbol=recommendation.ticker,
            tick=road.tick,
            purpose="entry",
            attempt=attempt,
        ),
        account_name=road.name,
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
        decided_at=road.clock.now(),
        tick=road.tick,
        parameter_version=road.parameters.version,
    )


def _sizing(size: Size | None, limit: Decimal | None) -> dict[str, object] | None:
    return None if size is None else {**asdict(size), "limit_price": limit}
