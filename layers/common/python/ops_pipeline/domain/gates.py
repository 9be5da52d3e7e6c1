"""The gates: every fact is checked, every verdict stored; what is unknown refuses.

A gate is a pure function of `GateFacts` and `GateRules`. None in a fact means "not known".
`register` adds a gate, here or in any module that is imported before the dispatcher runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from ops_pipeline.domain.market import Quote, Session
from ops_pipeline.domain.market_state.event_dates import EventDate, near
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.parameters import GateRules, Tier
from ops_pipeline.domain.prices.bar_age import UNCOVERED, BarCoverage, bar_age_limit_s
from ops_pipeline.domain.prices.plausibility import Doubt
from ops_pipeline.domain.trading_terms import Action, Instrument

Verdicts = dict[str, "Verdict"]
Gate = Callable[["GateFacts", GateRules], "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer; `observed` and `limit` are shown to people, None when unknown."""

    passed: bool
    reason: str
    observed: object = None
    limit: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """The recommendation to be judged."""

    ticker: str
    symbol: str
    action: Action
    instrument_type: Instrument
    confidence: float
    created_at: datetime
    features_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """The account's own limits, USD."""

    allowed_actions: frozenset[str]
    max_positions: int
    max_exposure: Decimal
    max_daily_loss: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """The facts that gates decide on. Money USD; a loss is positive.

    Attributes:
        active: Whether the operator lets the account enter at all.
        closing: Who asked to close the ticker or the whole account, and why.
        corporate: What of corporate actions is not settled in the ticker, or may end it.
        halts: Reasons why entries are halted, by whom.
        held_symbols: Symbols open, closing or being entered.
        broker_symbols: Held or being bought by the broker's lists; None is unknown.
        left_alone: Symbols that the account held before its first run; None is unknown.
        unlisted: Open positions missing from the broker's list.
        illegible: Positions and open orders in the broker's lists that could not be read.
        guard_ran_at: Tick of the account's newest succeeded run of the position manager today;
            None if there is none.
        trading_halts: Of the ticker and of the whole market, those that hold or just ended.
        events: Of the ticker and of the whole market, those that may be near enough.
        tradable: Whether the broker takes orders in the symbol; None is unknown.
        quote_doubt: Why the quote is not believed; None where it is, or where there is none.
        exposure: Entry cost open and in flight.
        cost: What this entry may cost at its limit.
        buying_power: The broker's, less orders it has not acknowledged.
        ticker_results, account_results: P&L of closed trades, newest last.
        bar_coverage: Whether minutes without a bar are known to be without trades.
    """

    now: datetime
    session: Session | None
    previous_session: date
    idea: Idea
    limits: AccountLimits
    tier: Tier | None
    active: bool
    trading_halts: tuple[TradingHalt, ...]
    events: tuple[EventDate, ...]
    tradable: bool | None
    closing: tuple[str, ...]
    halts: dict[str, str]
    guard_ran_at: datetime | None
    ledger_loss: Decimal | None
    broker_loss: Decimal | None
    vix_close: float | None
    vix_day: date | None
    bar_at: datetime | None
    quote: Quote | None
    quote_doubt: Doubt | None
    held_symbols: frozenset[str]
    held_kinds: frozenset[tuple[str, str]]
    broker_symbols: frozenset[str] | None
    left_alone: frozenset[str] | None
    unlisted: frozenset[str]
    illegible: tuple[str, ...]
    exposure: Decimal | None
    cost: Decimal | None
    size_bound: str | None
    buying_power: Decimal | None
    ticker_entries_today: int
    account_entries_today: int
    last_trade_at: datetime | None
    ticker_results: tuple[float, ...]
    ticker_rests: bool
    account_results: tuple[float, ...]
    corporate: tuple[str, ...] = ()
    bar_coverage: BarCoverage = UNCOVERED


# By name, in the order in which gates are evaluated and refusals listed.
_entry_gates: dict[str, Gate] = {}


def register(name: str) -> Callable[[Gate], Gate]:
    """Add an entry gate under the name that its verdicts are stored by.

        @register("quiet_tape")
        def quiet_tape(facts: GateFacts, rules: GateRules) -> Verdict: ...

    It is evaluated after the gates registered before it. A gate that raises fails the run:
    nothing is entered.

    Raises:
        ValueError: a gate of that name is registered already.
    """

    def add(gate: Gate) -> Gate:
        if name in _entry_gates:
            raise ValueError(f"gate {name!r} is registered already")
        _entry_gates[name] = gate
        return gate

    return add


def refused(verdicts: Verdicts) -> list[str]:
    """The reasons of the gates that refused, in their order."""
    return [verdict.reason for verdict in verdicts.values() if not verdict.passed]


def assess_entry(facts: GateFacts, rules: GateRules) -> Verdicts:
    """Evaluate every registered gate."""
    return {name: gate(facts, rules) for name, gate in _entry_gates.items()}


def assess_sell(facts: GateFacts, rules: GateRules) -> Verdicts:
    """Evaluate the gates of a SELL: halted entries do not stop exits."""
    return {
        "trading_state": Verdict(True, "Exits are never halted"),
        "action_allowed": action_allowed(facts, rules),
        "sell_has_position": sell_has_position(facts, rules),
    }


def _unknown(what: str, limit: object = None) -> Verdict:
    return Verdict(False, f"{what} unknown: refused", None, limit)


@register("account_active")
def account_active(facts: GateFacts, _: GateRules) -> Verdict:
    reason = "Account active" if facts.active else "Account switched off: active is false"
    return Verdict(facts.active, reason, facts.active, True)


@register("trading_state")
def trading_state(facts: GateFacts, _: GateRules) -> Verdict:
    if facts.halts:
        who, why = next(iter(facts.halts.items()))
        return Verdict(False, f"Halted by {who}: {why}", sorted(facts.halts), "no halt")
    return Verdict(True, "Trading", "no halt", "no halt")


@register("trading_halt")
def trading_halt(facts: GateFacts, rules: GateRules) -> Verdict:
    """Refuses while trading in the ticker is halted, and for some minutes after that.

    That no halt is known is no proof that there is none: quotes and bars are judged beside it.
    """
    cooling = timedelta(minutes=rules.halt_cooling_minutes)
    for halt in facts.trading_halts:
        if halt.holds(facts.now):
            return Verdict(False, halt.told, halt.facts, "no halt")
    if facts.tradable is None:
        return _unknown("Asset status at the broker", "tradable")
    if not facts.tradable:
        symbol = facts.idea.symbol
        return Verdict(False, f"{symbol} is not tradable at the broker", "not tradable", "tradable")
    for halt in facts.trading_halts:
        if halt.cools(facts.now, cooling):
            reason = f"Under {rules.halt_cooling_minutes} minutes after: {halt.told}"
            return Verdict(False, reason, halt.facts, rules.halt_cooling_minutes)
    return Verdict(True, "No halt is known", "no halt", "no halt")


@register("event_blackout")
def event_blackout(facts: GateFacts, rules: GateRules) -> Verdict:
    """Refuses around dates that an operator imported; by default nothing."""
    found = near(facts.events, rules, facts.now)
    if found:
        event = found[0]
        reason = f"Near {event.kind} of {event.ticker}, {event.at.isoformat()} ({event.source})"
        return Verdict(False, reason, event.facts, "no event near")
    return Verdict(True, "No event near", "no event near", "no event near")


@register("closing_requested")
def closing_requested(facts: GateFacts, _: GateRules) -> Verdict:
    if facts.closing:
        reason = f"{facts.idea.ticker} is being closed, asked by {facts.closing[0]}"
        return Verdict(False, reason, list(facts.closing), "no close")
    return Verdict(True, "No close is asked for", "no close", "no close")


@register("corporate_action_pending")
def corporate_action_pending(facts: GateFacts, _: GateRules) -> Verdict:
    """Refuses what may be other shares than it was, or may be none any more."""
    if facts.corporate:
        reason = f"{facts.idea.ticker}: {facts.corporate[0]}"
        return Verdict(False, reason, list(facts.corporate), "no action")
    return Verdict(True, "No corporate action is pending", "no action", "no action")


@register("daily_loss")
def daily_loss(facts: GateFacts, _: GateRules) -> Verdict:
    return judge_loss(facts.ledger_loss, facts.broker_loss, facts.limits.max_daily_loss)


def judge_loss(ledger: Decimal | None, broker: Decimal | None, limit: Decimal) -> Verdict:
    """Judge the larger of the losses by our ledger and by the broker's equity, USD."""
    if ledger is None or broker is None:
        return _unknown("Daily loss", limit)
    loss = max(ledger, broker, Decimal(0))
    if loss >= limit:
        return Verdict(
            False, f"KILL SWITCH: Daily loss ${loss:.0f} exceeds limit ${limit:.0f}", loss, limit
        )
    return Verdict(True, f"Daily loss ${loss:.0f} under ${limit:.0f}", loss, limit)


def loss_at_broker_alone(
    ledger: Decimal | None, broker: Decimal | None, limit: Decimal
) -> Decimal | None:
    """The loss by the broker's equity, where it is over the limit and our ledger's is not."""
    if broker is None or broker < limit or (ledger is not None and ledger >= limit):
        return None
    return broker


@register("vix_regime")
def vix_regime(facts: GateFacts, rules: GateRules) -> Verdict:
    limit = rules.vix_refuses_from
    if facts.vix_close is None or facts.vix_day is None:
        return _unknown("VIX", limit)
    if facts.vix_day < facts.previous_session:
        return Verdict(
            False, f"VIX of {facts.vix_day} is older than one session", str(facts.vix_day), limit
        )
    if facts.vix_close >= limit:
        return Verdict(False, f"VIX {facts.vix_close:.1f} - extreme", facts.vix_close, limit)
    mood = "normal" if facts.vix_close < rules.vix_halves_from else "elevated, half size"
    return Verdict(True, f"VIX {facts.vix_close:.1f} - {mood}", facts.vix_close, limit)


@register("trading_hours")
def trading_hours(facts: GateFacts, rules: GateRules) -> Verdict:
    session = facts.session
    if session is None or not session.is_open(facts.now):
        return Verdict(False, "Market closed", facts.now.isoformat(), None)
    first = session.opens_at + timedelta(minutes=rules.first_minutes)
    last = session.closes_at - timedelta(minutes=rules.last_entry_minutes)
    window = f"{first.isoformat()} to {last.isoformat()}"
    if facts.now < first:
        return Verdict(False, f"First {rules.first_minutes} minutes", facts.now.isoformat(), window)
    if facts.now > last:
        return Verdict(False, "Past the last entry of the session", facts.now.isoformat(), window)
    return Verdict(True, "Market open", facts.now.isoformat(), window)


def _fresh(what: str, at: datetime | None, now: datetime, limit_s: int) -> Verdict:
    if at is None:
        return _unknown(f"{what} age", limit_s)
    age_s = (now - at).total_seconds()
    if age_s > limit_s:
        return Verdict(False, f"{what} age {age_s:.0f}s > {limit_s}s", age_s, limit_s)
    if age_s < -limit_s:
        return Verdict(False, f"{what} is {-age_s:.0f}s ahead of the clock", age_s, limit_s)
    return Verdict(True, f"{what} age {age_s:.0f}s <= {limit_s}s", age_s, limit_s)


@register("guard_alive")
def guard_alive(facts: GateFacts, rules: GateRules) -> Verdict:
    """Refuses what nobody would guard, but for a session's first minutes."""
    limit_s = rules.guard_silence_s
    session, ran_at = facts.session, facts.guard_ran_at
    if session is not None and facts.now < session.opens_at + timedelta(seconds=limit_s):
        return Verdict(True, "The session has just opened", ran_at, limit_s)
    if ran_at is None:
        return Verdict(False, "Position manager has not run today", None, limit_s)
    return _fresh("Position manager's run", ran_at, facts.now, limit_s)


@register("recommendation_freshness")
def recommendation_freshness(facts: GateFacts, rules: GateRules) -> Verdict:
    return _fresh("Recommendation", facts.idea.created_at, facts.now, rules.recommendation_age_s)


@register("feature_freshness")
def feature_freshness(facts: GateFacts, rules: GateRules) -> Verdict:
    return _fresh("Feature", facts.idea.features_at, facts.now, rules.feature_age_s)


@register("bar_freshness")
def bar_freshness(facts: GateFacts, rules: GateRules) -> Verdict:
    """A bar's age counts from the end of its minute; a minute without trades is no staleness."""
    ended = None if facts.bar_at is None else facts.bar_at + timedelta(minutes=1)
    limit_s = bar_age_limit_s(facts.bar_coverage, facts.now, rules)
    return _fresh("Bar", ended, facts.now, limit_s)


@register("quote_freshness")
def quote_freshness(facts: GateFacts, rules: GateRules) -> Verdict:
    if facts.quote is None:
        return _unknown("Quote", rules.quote_age_s)
    if not facts.quote.usable:
        shown = f"{facts.quote.bid} / {facts.quote.ask}"
        return Verdict(False, f"Quote one-sided or crossed: {shown}", shown, "bid <= ask")
    return _fresh("Quote", facts.quote.ts, facts.now, rules.quote_age_s)


@register("quote_plausible")
def quote_plausible(facts: GateFacts, rules: GateRules) -> Verdict:
    """Refuses a quote that is not the market's; its age is for `quote_freshness` to judge."""
    if facts.quote is None:
        return _unknown("Quote", rules.quote_age_s)
    shown = f"{facts.quote.bid} / {facts.quote.ask}"
    doubt = facts.quote_doubt
    if doubt is None or doubt.kind == "stale":
        return Verdict(True, "Quote plausible", shown, "plausible")
    return Verdict(False, f"Quote implausible: {doubt.reason}", shown, "plausible")


@register("confidence")
def confidence(facts: GateFacts, rules: GateRules) -> Verdict:
    if facts.tier is None:
        return _unknown("Account tier", rules.minimum_confidence)
    limit = max(rules.minimum_confidence, facts.tier.minimum_confidence)
    observed = facts.idea.confidence
    word = ">=" if observed >= limit else "<"
    return Verdict(
        observed >= limit, f"Confidence {observed:.2f} {word} {limit:.2f}", observed, limit
    )


@register("action_allowed")
def action_allowed(facts: GateFacts, _: GateRules) -> Verdict:
    action = f"{facts.idea.action}_{facts.idea.instrument_type}"
    allowed = sorted(facts.limits.allowed_actions)
    passed = action in facts.limits.allowed_actions
    return Verdict(passed, f"{action} {'allowed' if passed else 'not allowed'}", action, allowed)


def sell_has_position(facts: GateFacts, _: GateRules) -> Verdict:
    held = (facts.idea.ticker, facts.idea.instrument_type) in facts.held_kinds
    reason = f"{facts.idea.ticker} {'is' if held else 'is not'} held"
    return Verdict(held, reason, held, True)


@register("duplicate_position")
def duplicate_position(facts: GateFacts, _: GateRules) -> Verdict:
    at_broker = facts.idea.symbol in (facts.broker_symbols or ())
    held = at_broker or (facts.idea.ticker, facts.idea.instrument_type) in facts.held_kinds
    reason = f"{facts.idea.ticker} is held or being bought" if held else "Not held"
    return Verdict(not held, reason, held, False)


@register("external_holding")
def external_holding(facts: GateFacts, _: GateRules) -> Verdict:
    """Refuses what was held before the first run: its shares could not be told from ours."""
    symbol = facts.idea.symbol
    if facts.left_alone is None:
        return _unknown("What was held before the first run", symbol)
    if symbol in facts.left_alone:
        return Verdict(False, f"{symbol} was held before the first run", symbol, "not held before")
    return Verdict(True, "Not held before the first run", symbol, "not held before")


@register("max_positions")
def max_positions(facts: GateFacts, _: GateRules) -> Verdict:
    """Positions bought by hand count too.

    A broker's list that lacks one of ours refuses, and one with an item that can't be read.
    """
    limit = facts.limits.max_positions
    if facts.broker_symbols is None:
        return _unknown("What the broker holds", limit)
    if facts.illegible:
        reason = f"The broker's lists are not legible: {facts.illegible[0]}"
        return Verdict(False, reason, list(facts.illegible), limit)
    if facts.unlisted:
        names = sorted(facts.unlisted)
        return Verdict(False, f"The broker does not list {', '.join(names)}", names, limit)
    others = len((facts.held_symbols | facts.broker_symbols) - {facts.idea.symbol})
    if others + 1 > limit:
        return Verdict(False, f"At position limit: {others}/{limit}", others, limit)
    return Verdict(True, f"Positions {others}/{limit}", others, limit)


@register("max_exposure")
def max_exposure(facts: GateFacts, _: GateRules) -> Verdict:
    limit = facts.limits.max_exposure
    if facts.exposure is None:
        return _unknown("Exposure", limit)
    if facts.cost is None:
        return _unknown("Cost", limit)
    total = facts.exposure + facts.cost
    return Verdict(total <= limit, f"Exposure ${total:.0f}/${limit:.0f}", total, limit)


@register("buying_power")
def buying_power(facts: GateFacts, _: GateRules) -> Verdict:
    if facts.cost is None or facts.buying_power is None:
        return _unknown("Buying power")
    reason = f"Cost ${facts.cost:.0f} of buying power ${facts.buying_power:.0f}"
    return Verdict(facts.cost <= facts.buying_power, reason, facts.cost, facts.buying_power)


@register("ticker_daily_limit")
def ticker_daily_limit(facts: GateFacts, rules: GateRules) -> Verdict:
    observed, limit = facts.ticker_entries_today, rules.entries_per_ticker
    return Verdict(observed < limit, f"Entries today {observed}/{limit}", observed, limit)


@register("tier_daily_limit")
def tier_daily_limit(facts: GateFacts, _: GateRules) -> Verdict:
    if facts.tier is None:
        return _unknown("Account tier")
    observed, limit = facts.account_entries_today, facts.tier.trades_a_day
    if limit is None:
        return Verdict(True, f"Tier {facts.tier.name} has no daily limit", observed, None)
    reason = f"Trades today {observed}/{limit} in tier {facts.tier.name}"
    return Verdict(observed < limit, reason, observed, limit)


@register("cooldown")
def cooldown(facts: GateFacts, rules: GateRules) -> Verdict:
    limit = rules.cooldown_minutes
    if facts.last_trade_at is None:
        return Verdict(True, "No trade yet", None, limit)
    minutes = (facts.now - facts.last_trade_at).total_seconds() / 60
    return Verdict(minutes >= limit, f"Last trade {minutes:.0f} min ago", minutes, limit)


@register("losing_streak")
def losing_streak(facts: GateFacts, rules: GateRules) -> Verdict:
    if _all_lost(facts.account_results, rules.account_losing_streak):
        count = rules.account_losing_streak
        return Verdict(False, f"Last {count} trades of the account lost", count, count)
    if facts.ticker_rests and _all_lost(facts.ticker_results, rules.ticker_losing_streak):
        count = rules.ticker_losing_streak
        return Verdict(False, f"Last {count} trades in {facts.idea.ticker} lost", count, count)
    return Verdict(True, "No losing streak", len(facts.ticker_results), None)


@register("size")
def size(facts: GateFacts, _: GateRules) -> Verdict:
    """A size of 0 refuses, with the bound that caused it as the reason."""
    if facts.cost is None:
        return _unknown("Size")
    if facts.size_bound is not None:
        return Verdict(False, f"Size 0: bound by {facts.size_bound}", 0, facts.size_bound)
    return Verdict(True, "Size fits every bound", facts.cost, None)


def _all_lost(results: tuple[float, ...], count: int) -> bool:
    return len(results) >= count and all(result < 0 for result in results[-count:])
