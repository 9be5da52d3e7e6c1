"""Collects the facts that gates look at and sizes the entry; None where unknown."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain import sizing
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.cash import day_loss
from ops_pipeline.domain.gates import AccountLimits, GateFacts, Idea
from ops_pipeline.domain.ledger import LedgerView
from ops_pipeline.domain.market import MINUTE, Quote, new_york_day
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.prices.plausibility import Evidence, JudgedQuote, judge_of
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.sizing import Size, SizingRoom
from ops_pipeline.domain.snapshots import BrokerLists, BrokerSnapshot, MarketSnapshot


@dataclass(frozen=True, slots=True)
class SizedFacts:
    """The facts with size and limit price; None if a fact that sizing needs is unknown.

    Attributes:
        quote: What the limit is from.
    """

    facts: GateFacts
    size: Size | None
    limit: Decimal | None
    quote: Quote | None = None


def gather(
    recommendation: Recommendation,
    ledger: LedgerView,
    snapshot: MarketSnapshot,
    *,
    rules: Parameters,
    now: datetime,
) -> SizedFacts:
    """Collect the facts and size the entry."""
    money = _Money.of(ledger, snapshot.broker)
    judged = _judged_quote(recommendation.ticker, ledger, snapshot, rules=rules, now=now)
    limit = _limit(judged, rules)
    exposure = _exposure(snapshot.broker.lists, ledger)
    size = _size(recommendation, ledger, money, limit, exposure=exposure, rules=rules)
    facts = _facts(recommendation, ledger, snapshot, money, exposure=exposure, now=now)
    facts = replace(facts, quote_doubt=None if judged is None else judged.doubt)
    if money.equity is not None:
        facts = replace(facts, tier=sizing.tier_of(money.equity, rules.sizing))
    quote = None if judged is None else judged.quote
    return SizedFacts(_with_size(facts, size, limit), size, limit, quote)


def _facts(
    recommendation: Recommendation,
    ledger: LedgerView,
    snapshot: MarketSnapshot,
    money: "_Money",
    *,
    exposure: Decimal | None,
    now: datetime,
) -> GateFacts:
    """The facts without tier, cost, size and what is wrong with the quote."""
    last_exit = ledger.last_exit_in_ticker
    return GateFacts(
        now=now,
        session=snapshot.session,
        previous_session=snapshot.previous_session,
        idea=_idea(recommendation, ledger.features_at),
        limits=_limits(ledger.account),
        tier=None,
        active=ledger.account.active,
        trading_halts=ledger.trading_halts,
        events=ledger.events,
        tradable=ledger.account.simulated or snapshot.tradable.get(recommendation.ticker),
        closing=ledger.closing,
        corporate=ledger.corporate,
        halts=ledger.account.halts(new_york_day(now)),
        guard_ran_at=ledger.guard_ran_at,
        ledger_loss=-ledger.pnl_today,
        broker_loss=money.day_loss,
        vix_close=ledger.vix[1] if ledger.vix else None,
        vix_day=ledger.vix[0] if ledger.vix else None,
        bar_at=ledger.bar_at,
        bar_coverage=ledger.bar_coverage,
        quote=snapshot.quotes.get(recommendation.ticker),
        quote_doubt=None,
        held_symbols=ledger.holdings.symbols,
        held_kinds=ledger.holdings.kinds,
        broker_symbols=_broker_symbols(ledger.account, snapshot.broker.lists),
        left_alone=frozenset() if ledger.account.simulated else ledger.left_alone,
        unlisted=_unlisted(snapshot.broker.lists, ledger),
        illegible=_illegible(snapshot.broker.lists),
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


def _broker_symbols(account: Account, lists: BrokerLists | None) -> frozenset[str] | None:
    if account.simulated:
        return frozenset()
    return None if lists is None else lists.symbols


def _unlisted(lists: BrokerLists | None, ledger: LedgerView) -> frozenset[str]:
    if ledger.account.simulated or lists is None:
        return frozenset()
    positions = [it for it in lists.illegible if it.kind == "position"]
    missing = ledger.open_symbols - lists.positions.keys()
    return frozenset(it for it in missing if not any(odd.may_be_of(it) for odd in positions))


def _illegible(lists: BrokerLists | None) -> tuple[str, ...]:
    return () if lists is None else tuple(str(it) for it in lists.illegible)


def _exposure(lists: BrokerLists | None, ledger: LedgerView) -> Decimal | None:
    """What is held and may come to be: per symbol the larger of our rows and the broker's.

    None where the broker shows an order without a price that may open or add to something.
    """
    ours = ledger.holdings.costs
    if lists is None:
        return ledger.holdings.exposure
    total = Decimal(0)
    for symbol in {*ours, *lists.symbols}:
        theirs = lists.cost(symbol)
        if theirs is None:
            return None
        total += max(ours.get(symbol, Decimal(0)), theirs)
    return total


def _with_size(facts: GateFacts, size: Size | None, limit: Decimal | None) -> GateFacts:
    """The facts with the entry's cost; for a size of 0 the cost of one unit."""
    if size is None or limit is None:
        return facts
    bound = size.bound if size.quantity == 0 else None
    return replace(facts, cost=(size.quantity or Decimal(1)) * limit, size_bound=bound)


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


@dataclass(frozen=True, slots=True)
class _Money:
    """Equity, today's loss and buying power, USD; None is unknown."""

    equity: Decimal | None
    day_loss: Decimal | None
    buying_power: Decimal | None

    @classmethod
    def of(cls, ledger: LedgerView, snapshot: BrokerSnapshot) -> "_Money":
        account, unacknowledged = ledger.account, ledger.holdings.unacknowledged
        if account.simulated:
            # A simulated account has no broker: its exposure limit is what it may spend.
            return cls(account.max_exposure, Decimal(0), account.max_exposure - unacknowledged)
        broker = snapshot.account
        if broker is None or broker.trading_blocked:
            return cls(None, None, None)
        loss = day_loss(broker, snapshot.deposits, snapshot.external, snapshot.dividends)
        return cls(broker.equity, loss, broker.buying_power - unacknowledged)


def _judged_quote(
    ticker: str, ledger: LedgerView, snapshot: MarketSnapshot, *, rules: Parameters, now: datetime
) -> JudgedQuote | None:
    """The ticker's quote, judged beside its newest bar and trade; None without a quote."""
    bar = None
    if ledger.bar_at is not None and ledger.bar_close is not None:
        bar = Evidence(ledger.bar_close, ledger.bar_at + MINUTE, "bar")
    return judge_of(ticker, snapshot.quotes, bar, now=now, session=snapshot.session, rules=rules)


def _limit(judged: JudgedQuote | None, rules: Parameters) -> Decimal | None:
    """The limit by a quote that is plausible; its age is for a gate to refuse."""
    if judged is None or (judged.doubt is not None and judged.doubt.kind != "stale"):
        return None
    return judged.limit("buy", rules.gates.limit_slippage, rules.prices.entry_collar)


def _size(
    recommendation: Recommendation,
    ledger: LedgerView,
    money: _Money,
    limit: Decimal | None,
    *,
    exposure: Decimal | None,
    rules: Parameters,
) -> Size | None:
    if exposure is None or limit is None or money.equity is None or money.buying_power is None:
        return None
    account = ledger.account
    tier = sizing.tier_of(money.equity, rules.sizing)
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
            position_notional=account.entry_notional,
            fractional=account.fractional_shares,
        ),
        factor=rules.sizing.elevated_vix_factor if elevated else 1.0,
    )
