"""The facts an entry is judged on: read fresh under the account's lock, sized, unknown as None."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.db import ledger as ledgers
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.dispatch import Recommendation
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.ledger import Ledger
from ops_pipeline.domain import sizing
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.cash import day_loss
from ops_pipeline.domain.gates import AccountLimits, GateFacts, Idea
from ops_pipeline.domain.market import Quote, Session, new_york_day, new_york_time
from ops_pipeline.domain.orders import marketable_limit
from ops_pipeline.domain.parameters import GateRules, Tier
from ops_pipeline.domain.sizing import Size, SizingRoom
from ops_pipeline.execution.sending import AccountContext


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What the broker's lists of positions and then of orders showed, asked for from `at` on.

    Attributes:
        positions: What each symbol that is held cost, USD.
        being_bought: Symbols.
        sold: Ids of sales that have executed something.
    """

    at: datetime
    positions: Mapping[str, Decimal]
    being_bought: frozenset[str]
    sold: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """What one run fetched from outside, before any unit of work; None is unknown.

    Attributes:
        tickers: What the run asked for; it decides on nothing else.
        deposits: Brought into the account since the last session's close, USD.
    """

    tickers: tuple[str, ...]
    session: Session | None
    previous_session: date
    broker_account: BrokerAccount | None
    broker_snapshot: BrokerSnapshot | None
    deposits: Decimal | None
    quotes: Mapping[str, Quote]

    def day_start(self, now: datetime) -> datetime:
        """New York's midnight: a trading day never crosses it."""
        return new_york_time(new_york_day(now), 0)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts, and what they allow to buy; None where a fact that sizing needs is unknown.

    Attributes:
        attempts: Orders that the recommendation has had already.
    """

    facts: GateFacts
    size: Size | None
    limit: Decimal | None
    attempts: int


def gather(
    tx: Transaction, ctx: AccountContext, recommendation: Recommendation, snapshot: MarketSnapshot
) -> Gathered:
    """Read and size; call it under the account's row lock."""
    ledger = _ledger(tx, ctx, recommendation, snapshot)
    money = _Money.of(ctx.account, snapshot, ledger.holdings.unacknowledged)
    limit = _limit(snapshot.quotes.get(recommendation.ticker), ctx.rules.gates)
    exposure = _exposure(snapshot.broker_snapshot, ledger)
    size = _size(ctx, recommendation, money, limit, ledger=ledger, exposure=exposure)
    judged = _facts(ctx, recommendation, snapshot, ledger=ledger, money=money, exposure=exposure)
    return Gathered(_with_size(judged, size, limit), size, limit, ledger.attempts)


def _ledger(
    tx: Transaction, ctx: AccountContext, recommendation: Recommendation, snapshot: MarketSnapshot
) -> Ledger:
    now = ctx.clock.now()
    return ledgers.read(
        tx,
        account=ctx.name,
        mode=ctx.account.execution_mode,
        ticker=recommendation.ticker,
        recommendation_id=recommendation.id,
        today=new_york_day(now),
        day_start=snapshot.day_start(now),
        listed_at=snapshot.broker_snapshot.at if snapshot.broker_snapshot else now,
        sold=snapshot.broker_snapshot.sold if snapshot.broker_snapshot else (),
        since=ctx.account.streak_counted_from,
        limit=ctx.rules.sizing.kelly_window_trades,
    )


def _facts(
    ctx: AccountContext,
    recommendation: Recommendation,
    snapshot: MarketSnapshot,
    *,
    ledger: Ledger,
    money: "_Money",
    exposure: Decimal,
) -> GateFacts:
    """Everything but what sizing adds."""
    now, account = ctx.clock.now(), ctx.account
    last_exit = ledger.last_exit_in_ticker
    return GateFacts(
        now=now,
        session=snapshot.session,
        previous_session=snapshot.previous_session,
        idea=_idea(recommendation, ledger.features_at),
        limits=_limits(account),
        tier=_tier(ctx, money),
        halts=halted_by(account, new_york_day(now)),
        ledger_loss=-ledger.pnl_today,
        broker_loss=money.day_loss,
        vix_close=ledger.vix[1] if ledger.vix else None,
        vix_day=ledger.vix[0] if ledger.vix else None,
        bar_at=ledger.bar_at,
        quote=snapshot.quotes.get(recommendation.ticker),
        held_symbols=ledger.holdings.symbols,
        held_kinds=ledger.holdings.kinds,
        broker_symbols=_at_broker(ctx, snapshot.broker_snapshot),
        unlisted=_unlisted(ctx, snapshot.broker_snapshot, ledger),
        exposure=exposure,
        cost=None,
        size_bound=None,
        buying_power=money.buying_power,
        ticker_entries_today=ledger.entries_in_ticker,
        account_entries_today=ledger.entries_in_account,
        last_trade_at=ledger.last_trade_at,
        ticker_results=ledger.ticker_results,
        ticker_rests=last_exit is not None and new_york_day(last_exit) >= snapshot.previous_session,
        account_results=ledger.account_results,
    )


def _at_broker(
    ctx: AccountContext, broker_snapshot: BrokerSnapshot | None
) -> frozenset[str] | None:
    if ctx.broker is None:
        return frozenset()
    return (
        None
        if broker_snapshot is None
        else frozenset(broker_snapshot.positions) | broker_snapshot.being_bought
    )


def _unlisted(
    ctx: AccountContext, broker_snapshot: BrokerSnapshot | None, ledger: Ledger
) -> frozenset[str]:
    if ctx.broker is None or broker_snapshot is None:
        return frozenset()
    unlisted = ledger.open_symbols - broker_snapshot.positions.keys()
    if unlisted:
        ctx.journal.went_wrong("positions_not_listed", account=ctx.name, symbols=sorted(unlisted))
    return unlisted


def _exposure(broker_snapshot: BrokerSnapshot | None, ledger: Ledger) -> Decimal:
    """Our own, and what somebody bought that the reconciler has not taken over yet."""
    broker_positions = broker_snapshot.positions if broker_snapshot else {}
    return ledger.holdings.exposure + sum(
        (
            cost
            for symbol, cost in broker_positions.items()
            if symbol not in ledger.holdings.symbols
        ),
        Decimal(0),
    )


def _with_size(judged: GateFacts, size: Size | None, limit: Decimal | None) -> GateFacts:
    """The facts with what the entry would cost; a size of 0 is judged by the cost of one unit."""
    if size is None or limit is None:
        return judged
    bound = size.bound if size.quantity == 0 else None
    return replace(judged, cost=(size.quantity or Decimal(1)) * limit, size_bound=bound)


def _idea(recommendation: Recommendation, features_at: datetime | None) -> Idea:
    return Idea(
        ticker=recommendation.ticker,
        symbol=recommendation.ticker,
        action=recommendation.action,
        instrument_type=recommendation.instrument_type,
        confidence=recommendation.confidence,
        created_at=recommendation.created_at,
        features_at=features_at,
    )


def _limits(account: Account) -> AccountLimits:
    return AccountLimits(
        allowed_actions=frozenset(account.allowed_actions),
        max_positions=account.max_positions,
        max_exposure=account.max_exposure,
        max_daily_loss=account.max_daily_loss,
    )


def _tier(ctx: AccountContext, money: "_Money") -> Tier | None:
    return None if money.equity is None else sizing.tier_of(money.equity, ctx.rules.sizing)


@dataclass(frozen=True, slots=True)
class _Money:
    """Equity, today's loss and buying power, USD; None is unknown."""

    equity: Decimal | None
    day_loss: Decimal | None
    buying_power: Decimal | None

    @classmethod
    def of(cls, account: Account, snapshot: MarketSnapshot, unacknowledged: Decimal) -> "_Money":
        if account.execution_mode == "SIMULATED":
            # A simulated account has no books but its cap: that is what it may spend.
            return cls(account.max_exposure, Decimal(0), account.max_exposure - unacknowledged)
        broker = snapshot.broker_account
        if broker is None or broker.trading_blocked:
            return cls(None, None, None)
        loss = day_loss(broker, snapshot.deposits)
        return cls(broker.equity, loss, broker.buying_power - unacknowledged)


def _limit(quote: Quote | None, rules: GateRules) -> Decimal | None:
    if quote is None or not quote.usable:
        return None
    return marketable_limit("buy", quote.ask, rules.limit_slippage)


def _size(
    ctx: AccountContext,
    recommendation: Recommendation,
    money: _Money,
    limit: Decimal | None,
    *,
    ledger: Ledger,
    exposure: Decimal,
) -> Size | None:
    if limit is None or money.equity is None or money.buying_power is None:
        return None
    account, rules = ctx.account, ctx.rules
    tier = sizing.tier_of(money.equity, rules.sizing)
    share = account.max_exposure / max(account.max_positions, 1)
    elevated = ledger.vix is not None and ledger.vix[1] >= rules.gates.vix_halves_from
    results = ledger.account_results
    return sizing.stock_size(
        limit,
        risk=sizing.risk_fraction(tier, recommendation.strategy_type, results, rules.sizing),
        stop_distance=rules.exits.stop_loss,
        room=SizingRoom(
            equity=money.equity,
            exposure_left=account.max_exposure - exposure,
            buying_power=money.buying_power,
            position_notional=account.max_position_notional or share,
            fractional=account.fractional_shares,
        ),
        factor=rules.sizing.elevated_vix_factor if elevated else 1.0,
    )


def halted_by(account: Account, today: date) -> dict[str, str]:
    """Why entries are halted, by whom; a kill switch holds for the session it latched in."""
    latched = account.kill_switch_day is not None and account.kill_switch_day >= today
    named = {
        "operator": account.operator_halt,
        "books": account.books_halt,
        "kill switch": account.kill_switch if latched else None,
    }
    return {who: why for who, why in named.items() if why is not None}
