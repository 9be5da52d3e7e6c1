"""What the kinds of fault alter in the content of a response."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ops_local.exchange.api.wire import timestamp
from ops_local.exchange.faults.kinds import FaultKind
from ops_local.exchange.faults.multi_leg import multi_leg_order
from ops_local.exchange.faults.rules import Rule
from ops_local.exchange.refusals import not_found

# Orders and fills younger than this are the ones that are not listed yet.
LISTING_DELAY = timedelta(minutes=2)
STALE_BY = timedelta(minutes=10)
CLOCK_SKEW = timedelta(minutes=3)
NOT_A_NUMBER = "n/a"

Item = dict[str, Any]
Alteration = Callable[[Rule, Any, datetime], Any]


def altered(rule: Rule, answer: object, now: datetime) -> object:
    """The response with the fault in it; unchanged where the kind does not alter content.

    Raises:
        ApiRefusal: the order asked for is not listed yet.
    """
    change = _ALTERATIONS.get(rule.kind)
    return answer if change is None else change(rule, answer, now)


def _every(change: Callable[[Rule, Item], Item]) -> Alteration:
    """Update each item of a list, or the single one, that the rule is about."""

    def alter(rule: Rule, answer: Any, _: datetime) -> Any:
        if isinstance(answer, list):
            return [_updated(rule, it, change) for it in answer]
        return _updated(rule, answer, change)

    return alter


def _one(change: Callable[[Rule, Item], Item]) -> Alteration:
    """Update the first item of a list that the rule is about, or the single one."""

    def alter(rule: Rule, answer: Any, _: datetime) -> Any:
        if not isinstance(answer, list):
            return _updated(rule, answer, change)
        first = next((n for n, it in enumerate(answer) if _is_about(rule, it)), None)
        return [{**it, **change(rule, it)} if n == first else it for n, it in enumerate(answer)]

    return alter


def _updated(rule: Rule, item: Item, change: Callable[[Rule, Item], Item]) -> Item:
    return {**item, **change(rule, item)} if _is_about(rule, item) else item


def _is_about(rule: Rule, item: Item) -> bool:
    return rule.symbol in (None, item.get("symbol"))


def _quotes(change: Callable[[Rule, Item], Item]) -> Alteration:
    """Update each quote, or the one of the rule's symbol."""

    def alter(rule: Rule, answer: Any, _: datetime) -> Any:
        quotes = {
            name: {**it, **change(rule, it)} if rule.symbol in (None, name) else it
            for name, it in answer["quotes"].items()
        }
        return {**answer, "quotes": quotes}

    return alter


def _without_quotes(rule: Rule, answer: Any, _: datetime) -> Any:
    kept = {} if rule.symbol is None else {**answer["quotes"]}
    kept.pop(rule.symbol, None)
    return {**answer, "quotes": kept}


def _frozen(rule: Rule, answer: Any, _: datetime) -> Any:
    quotes = answer["quotes"]
    for name, quote in quotes.items():
        if rule.symbol in (None, name):
            rule.frozen.setdefault(name, quote)
    return {**answer, "quotes": {name: rule.frozen.get(name, it) for name, it in quotes.items()}}


def _illegible_quote(rule: Rule, answer: Any, _: datetime) -> Any:
    name = rule.symbol or next(iter(answer["quotes"]), None)
    quotes = {
        symbol: {**it, "bp": NOT_A_NUMBER, "ap": NOT_A_NUMBER} if symbol == name else it
        for symbol, it in answer["quotes"].items()
    }
    return {**answer, "quotes": quotes}


def _illegible_bar(rule: Rule, answer: Any, _: datetime) -> Any:
    """The last bar of one symbol: a page may hold many of each."""
    name = rule.symbol or next(iter(answer["bars"]), None)
    bars = {
        symbol: [*found[:-1], {**found[-1], "c": NOT_A_NUMBER}] if symbol == name else found
        for symbol, found in answer["bars"].items()
    }
    return {**answer, "bars": bars}


def _wide(rule: Rule, quote: Item) -> Item:
    return {
        "bp": round(quote["bp"] * rule.bid_factor, 4),
        "ap": round(quote["ap"] * rule.ask_factor, 4),
    }


def _stale(_: Rule, quote: Item) -> Item:
    return {"t": timestamp(datetime.fromisoformat(quote["t"]) - STALE_BY)}


def _ahead(_: Rule, order: Item) -> Item:
    return {name: _later(order[name]) for name in ("submitted_at", "updated_at")}


def _later(text: str | None) -> str | None:
    return None if text is None else timestamp(datetime.fromisoformat(text) + CLOCK_SKEW)


def _without_new_orders(_: Rule, answer: Any, now: datetime) -> Any:
    if isinstance(answer, list):
        return [order for order in answer if not _is_new(order["submitted_at"], now)]
    if _is_new(answer["submitted_at"], now):
        raise not_found("order not found")
    return answer


def _without_new_activities(_: Rule, answer: Any, now: datetime) -> Any:
    """Activities that are not executions have their time in another field."""
    return [it for it in answer if not _is_new(it.get("transaction_time") or it["created_at"], now)]


def _is_new(text: str, now: datetime) -> bool:
    return now - datetime.fromisoformat(text) <= LISTING_DELAY


_ALTERATIONS: Mapping[FaultKind, Alteration] = {
    "not_listed": _without_new_orders,
    "clock_skew": _every(_ahead),
    "unknown_status": _one(lambda rule, _: {"status": rule.status}),
    "wrong_quantity": _one(lambda _, order: {"qty": str(2 * int(order["qty"]))}),
    "empty_order_type": _one(lambda _, __: {"type": "", "order_type": ""}),
    "illegible_order": _one(lambda _, __: dict.fromkeys(("qty", "filled_qty"), NOT_A_NUMBER)),
    "multi_leg_order": lambda _, orders, now: [multi_leg_order(now), *orders],
    "no_average_price": _every(lambda _, __: {"filled_avg_price": None}),
    "duplicate_fills": lambda _, fills, __: [fill for fill in fills for _ in range(2)],
    "late_fills": _without_new_activities,
    "unordered_fills": lambda _, fills, __: list(reversed(fills)),
    "illegible_activity": _one(
        lambda _, it: {"price" if "price" in it else "net_amount": NOT_A_NUMBER}
    ),
    "no_positions": lambda _, __, ___: [],
    "illegible_position": _one(lambda _, __: {"qty": NOT_A_NUMBER}),
    "no_buying_power": _every(
        lambda _, __: {"buying_power": "1.00", "options_buying_power": "1.00"}
    ),
    "wrong_account": _every(lambda _, __: {"account_number": "PA-SOMEBODY-ELSE"}),
    "stale_quote": _quotes(_stale),
    "frozen_quote": _frozen,
    "no_quote": _without_quotes,
    "wide_quote": _quotes(_wide),
    "crossed_quote": _quotes(lambda _, quote: {"bp": quote["ap"] + 1, "ap": quote["bp"]}),
    "zero_quote": _quotes(lambda _, __: {"bp": 0.0, "bs": 0}),
    "illegible_quote": _illegible_quote,
    "illegible_bar": _illegible_bar,
}
