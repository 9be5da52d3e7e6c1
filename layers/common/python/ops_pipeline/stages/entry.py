"""One entry: gather fresh facts, size it, pass the gates, and turn it into an intent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.db import accounts, dispatch, facts, halts, orders
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.dispatch import Recommendation
from ops_pipeline.domain import gates, sizing
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.gates import Facts, Idea, Limits, Verdicts
from ops_pipeline.domain.market import Quote, Session, new_york_day, new_york_time
from ops_pipeline.domain.orders import Order, client_order_id, marketable_limit
from ops_pipeline.domain.parameters import GateRules, Parameters
from ops_pipeline.domain.sizing import Room, Size
from ops_pipeline.ports import Calendar
from ops_pipeline.stages.road import Road


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What one run fetched from outside, before any unit of work; None is unknown."""

    session: Session | None
    previous_session: date
    broker_account: BrokerAccount | None
    quotes: Mapping[str, Quote]

    def day_start(self, now: datetime) -> datetime:
        """New York's midnight: a trading day never crosses it."""
        return new_york_time(new_york_day(now), 0)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The gates' answers and, when all passed, the order to place."""

    verdicts: Verdicts
    size: Size | None
    order: Order | None


def surroundings(
    road: Road,
    calendar: Calendar,
    broker_account: BrokerAccount | None,
    quotes: Mapping[str, Quote],
) -> Surroundings:
    today = new_york_day(road.clock.now())
    return Surroundings(
        session=calendar.session(today),
        previous_session=calendar.previous_session(today).day,
        broker_account=broker_account,
        quotes=quotes,
    )


def assess(
    tx: Transaction, road: Road, recommendation: Recommendation, around: Surroundings
) -> Assessment:
    """Evaluate every gate under the account's row lock and keep the verdicts.

    Limits and halts are read anew: the operator may have halted while the run was under
    way. A daily loss over the limit latches the kill switch in the same unit of work.
    """
    facts.lock_account(tx, road.name)
    road = replace(road, account=accounts.load(tx, road.name))
    gathered, size, limit = _gather(tx, road, recommendation, around)
    if recommendation.action == "SELL":
        verdicts = gates.assess_sell(gathered, road.rules.gates)
    else:
        verdicts = gates.assess_entry(gathered, road.rules.gates)
    dispatch.keep_verdicts(tx, recommendation.id, verdicts, _sizing(size, limit))
    loss = verdicts.get("daily_loss")
    if loss is not None and not loss.passed and loss.observed is not None:
        halts.latch_kill_switch(
            tx, account=road.name, reason=loss.reason, day=new_york_day(road.clock.now())
        )
    if gates.refused(verdicts) or recommendation.action == "SELL":
        return Assessment(verdicts, size, None)
    if size is None or limit is None:
        raise ValueError("every gate passed without a size: the size gate is broken")
    return Assessment(verdicts, size, _intent(tx, road, recommendation, size, limit))


def _intent(
    tx: Transaction, road: Road, recommendation: Recommendation, size: Size, limit: Decimal
) -> Order:
    last = orders.last_of_recommendation(tx, recommendation.id)
    attempt = last.attempt + 1 if last else 1
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


def _gather(
    tx: Transaction, road: Road, recommendation: Recommendation, around: Surroundings
) -> tuple[Facts, Size | None, Decimal | None]:
    now, account, rules = road.clock.now(), road.account, road.rules
    ticker, day_start = recommendation.ticker, around.day_start(now)
    quote = around.quotes.get(ticker)
    holdings = facts.holdings(tx, road.name)
    closed = facts.results(
        tx,
        account=road.name,
        mode=account.execution_mode,
        ticker=ticker,
        since=account.streak_counted_from,
        limit=rules.sizing.kelly_window_trades,
    )
    vix = facts.vix(tx, today=new_york_day(now))
    money = _Money.of(account, around.broker_account, holdings.unacknowledged)
    limit = _limit(quote, rules.gates)
    elevated = vix is not None and vix[1] >= rules.gates.vix_halves_from
    size = _size(
        road,
        recommendation,
        money,
        limit,
        exposure=holdings.exposure,
        results=closed.of_account,
        elevated=elevated,
    )
    of_ticker, of_account = facts.entries_today(
        tx, account=road.name, ticker=ticker, day_start=day_start
    )
    pnl = facts.day_pnl(tx, account=road.name, mode=account.execution_mode, day_start=day_start)
    last_exit = closed.last_exit_in_ticker
    gathered = Facts(
        now=now,
        session=around.session,
        previous_session=around.previous_session,
        idea=Idea(
            ticker=ticker,
            symbol=ticker,
            action=recommendation.action,
            instrument_type=recommendation.instrument_type,
            confidence=recommendation.confidence,
            created_at=recommendation.created_at,
            features_at=facts.features_computed_at(tx, ticker=ticker, day_start=day_start),
        ),
        limits=Limits(
            allowed_actions=frozenset(account.allowed_actions),
            max_positions=account.max_positions,
            max_exposure=account.max_exposure,
            max_daily_loss=account.max_daily_loss,
        ),
        tier=sizing.tier_of(money.equity, rules.sizing) if money.equity is not None else None,
        halts=_halts(account, new_york_day(now)),
        ledger_loss=-pnl,
        broker_loss=money.day_loss,
        vix_close=vix[1] if vix else None,
        vix_day=vix[0] if vix else None,
        bar_at=facts.newest_bar(tx, ticker=ticker, day_start=day_start),
        quote=quote,
        held_symbols=holdings.symbols,
        held_kinds=holdings.kinds,
        exposure=holdings.exposure,
        cost=None if size is None or limit is None else (size.quantity or Decimal(1)) * limit,
        size_bound=size.bound if size is not None and size.quantity == 0 else None,
        buying_power=money.buying_power,
        ticker_entries_today=of_ticker,
        account_entries_today=of_account,
        last_trade_at=facts.last_trade_at(tx, account=road.name, ticker=ticker),
        ticker_results=closed.of_ticker,
        ticker_rests=last_exit is not None and new_york_day(last_exit) >= around.previous_session,
        account_results=closed.of_account,
    )
    return gathered, size, limit


@dataclass(frozen=True, slots=True)
class _Money:
    """Equity, today's loss and buying power, USD; None is unknown."""

    equity: Decimal | None
    day_loss: Decimal | None
    buying_power: Decimal | None

    @classmethod
    def of(
        cls, account: Account, broker: BrokerAccount | None, unacknowledged: Decimal
    ) -> "_Money":
        if account.execution_mode == "SIMULATED":
            # A simulated account has no books but its cap: that is what it may spend.
            return cls(account.max_exposure, Decimal(0), account.max_exposure - unacknowledged)
        if broker is None or broker.trading_blocked or broker.status != "ACTIVE":
            return cls(None, None, None)
        loss = broker.last_equity - broker.equity
        return cls(broker.equity, loss, broker.buying_power - unacknowledged)


def _limit(quote: Quote | None, rules: GateRules) -> Decimal | None:
    if quote is None or not quote.usable:
        return None
    return marketable_limit("buy", quote.ask, rules.limit_slippage)


def _size(
    road: Road,
    recommendation: Recommendation,
    money: _Money,
    limit: Decimal | None,
    *,
    exposure: Decimal,
    results: tuple[float, ...],
    elevated: bool,
) -> Size | None:
    if limit is None or money.equity is None or money.buying_power is None:
        return None
    rules: Parameters = road.rules
    account = road.account
    tier = sizing.tier_of(money.equity, rules.sizing)
    share = account.max_exposure / max(account.max_positions, 1)
    return sizing.stock_size(
        limit,
        risk=sizing.risk_fraction(tier, recommendation.strategy_type, results, rules.sizing),
        stop_distance=rules.exits.stop_loss,
        room=Room(
            equity=money.equity,
            exposure_left=account.max_exposure - exposure,
            buying_power=money.buying_power,
            position_notional=account.max_position_notional or share,
            fractional=account.fractional_shares,
        ),
        factor=rules.sizing.elevated_vix_factor if elevated else 1.0,
    )


def _halts(account: Account, today: date) -> dict[str, str]:
    """Why entries are halted, by whom; a kill switch holds for the session it latched in."""
    latched = account.kill_switch_day is not None and account.kill_switch_day >= today
    named = {
        "operator": account.operator_halt,
        "books": account.books_halt,
        "kill switch": account.kill_switch if latched else None,
    }
    return {who: why for who, why in named.items() if why is not None}


def _sizing(size: Size | None, limit: Decimal | None) -> dict[str, object] | None:
    return None if size is None else {**asdict(size), "limit_price": limit}
