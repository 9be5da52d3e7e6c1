"""Statements on what was held before the first run, and on corporate actions."""

from dataclasses import fields
from datetime import date, datetime

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import NONE, total
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.corporate.actions import (
    REFUSED_AFTER,
    REFUSED_BEFORE,
    REFUSING,
    CorporateAction,
)
from ops_pipeline.domain.corporate.adjustments import Adjustment
from ops_pipeline.domain.holdings.external import ExternalHolding

_HOLDING = tuple(column.name for column in fields(ExternalHolding))
_ACTION = tuple(column.name for column in fields(CorporateAction))
_ADJUSTMENT = tuple(column.name for column in fields(Adjustment))
_RESTATED = (
    "symbol",
    "ticker",
    "quantity",
    "opened_quantity",
    "entry_price",
    "stop_loss",
    "take_profit",
    "initial_risk",
    "peak_price",
    "trough_price",
    "current_price",
    "doubted_price",
    "doubted_at",
)


def _number_mark(book: Book, account: str) -> object:
    return (book.table("account_bindings").get(account) or {}).get("number_mark")


@answers("bindings", "_BOUND_AT")
def bound_at(book: Book, values: Values) -> list[Row]:
    row = book.table("account_bindings").get(values["account"])
    return [] if row is None else [{"bound_at": row["bound_at"]}]


def looked_at(book: Book, account: str) -> datetime | None:
    """When the account, as it is bound now, was first compared with its broker."""
    look = book.table("first_looks").get(account)
    if look is None or look["number_mark"] != _number_mark(book, account):
        return None
    return look["looked_at"]  # type: ignore[no-any-return]  # a column of times


def external(book: Book, account: str) -> list[Row]:
    """The account's rows by symbol, ended ones too."""
    found = [row for row in book.table("external_holdings") if row["account_name"] == account]
    return sorted(found, key=lambda row: str(row["symbol"]))


@answers("holdings.external", "LOOKED_AT")
def first_look(book: Book, values: Values) -> list[Row]:
    found = looked_at(book, values["account"])
    return [] if found is None else [{"looked_at": found}]


@answers("holdings.external", "_KEEP_LOOK")
def keep_look(book: Book, values: Values) -> int:
    account = values["account"]
    row = {"account_name": account, "number_mark": _number_mark(book, account)}
    book.table("first_looks").insert(
        {**row, "looked_at": values["looked_at"], "tick": values["tick"]}
    )
    return 1


@answers("holdings.external", "_ALL")
def all_held_before(book: Book, values: Values) -> list[Row]:
    return [{it: row[it] for it in _HOLDING} for row in external(book, values["account"])]


@answers("holdings.external", "HELD")
def held_before(book: Book, values: Values) -> list[Row]:
    rows = external(book, values["account"])
    return [{it: row[it] for it in ("symbol", "quantity")} for row in rows if row["quantity"] != 0]


@answers("holdings.external", "_FIND")
def find_held_before(book: Book, values: Values) -> list[Row]:
    row = book.table("external_holdings").get(values["account"], values["symbol"])
    return [] if row is None else [{it: row[it] for it in _HOLDING}]


@answers("holdings.external", "_ADD")
def save_held_before(book: Book, values: Values) -> int:
    book.table("external_holdings").insert({it: values[it] for it in _HOLDING})
    return 1


@answers("holdings.external", "_ADJUSTED_FOR")
def adjusted_for(book: Book, values: Values) -> list[Row]:
    return [
        {"action_id": row["action_id"]}
        for row in book.table("external_holding_events")
        if (row["account_name"], row["symbol"]) == (values["account"], values["symbol"])
        and row["action_id"] is not None
    ]


@answers("holdings.external", "_EVENT")
def add_holding_event(book: Book, values: Values) -> int:
    events, account = book.table("external_holding_events"), values["account"]
    same = [
        row
        for row in events
        if (row["account_name"], row["symbol"]) == (account, values["symbol"])
        and (
            (row["at"], row["kind"]) == (values["at"], values["kind"])
            or (row["action_id"] is not None and row["action_id"] == values["action_id"])
        )
    ]
    if same:
        return 0
    names = ("symbol", "at", "kind", "quantity", "price", "day_change", "action_id")
    row = {name: values[name] for name in names}
    events.insert({**row, "account_name": account, "quantity_before": values["before"]})
    return 1


@answers("holdings.external", "_STANDING")
def standing(book: Book, values: Values) -> list[Row]:
    account = values["account"]
    sold = [
        event["day_change"]
        for event in book.table("external_holding_events")
        if event["account_name"] == account
        and event["kind"] in ("reduced", "adopted")
        and event["at"] >= values["day_start"]
    ]
    paid = [
        row["cash"] or NONE
        for row in book.adjustments
        if row["account_name"] == account
        and row["kind"] == "cash_dividend"
        and row["effective_on"] == values["today"]
    ]
    gained = None if None in sold else total(sold)
    return [{"looked_at": looked_at(book, account), "dividends": total(paid), "gained": gained}]


@answers("holdings.corporate_actions", "_OF_POSITION")
def of_position(book: Book, values: Values) -> list[Row]:
    found = [row for row in book.adjustments if row["position_id"] == values["position_id"]]
    found.sort(key=lambda row: (row["applied_at"], row["effective_on"], row["id"]))
    return [{it: row[it] for it in _ADJUSTMENT} for row in found]


@answers("holdings.corporate_actions", "_RESTATED_AT")
def restated_at(book: Book, values: Values) -> list[Row]:
    found = [
        row["applied_at"]
        for row in book.adjustments
        if row["position_id"] == values["position_id"]
        and (row["new_symbol"] is not None or row["old_rate"] != row["new_rate"])
    ]
    return [{"at": max(found, default=None)}]


@answers("holdings.corporate_actions", "_IN_FORCE")
def in_force(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.table("corporate_actions")
        if row["withdrawn_at"] is None
        and row["symbol"] in values["symbols"]
        and values["first"] <= row["effective_on"] <= values["last"]
    ]
    found.sort(key=lambda row: (row["effective_on"], row["action_id"]))
    return [{it: row[it] for it in _ACTION} for row in found]


@answers("holdings.corporate_actions", "_ADD")
def add_adjustment(book: Book, values: Values) -> int:
    book.adjustments.insert({it: values[it] for it in (*_ADJUSTMENT, "tick")})
    return 1


@answers("holdings.corporate_actions", "_RESTATE")
def restate(book: Book, values: Values) -> int:
    row = book.positions.get(values["id"])
    if row is None:
        return 0
    changes = {it: values[it] for it in _RESTATED}
    book.positions.update(row, **changes, updated_at=values["now"])
    return 1


@answers("holdings.corporate_actions", "_HOLD")
def hold(book: Book, values: Values) -> int:
    holds, now = book.table("corporate_action_holds"), values["now"]
    known = holds.get(values["account"], values["symbol"])
    stands = known is not None and known["ended_at"] is None
    row = {"account_name": values["account"], "symbol": values["symbol"]}
    since = known["since"] if known is not None and stands else now
    holds.insert({**row, "reason": values["reason"], "since": since, "seen_at": now})
    return 1


@answers("holdings.corporate_actions", "_END_HOLD")
def end_hold(book: Book, values: Values) -> int:
    holds = book.table("corporate_action_holds")
    known = holds.get(values["account"], values["symbol"])
    if known is None or known["ended_at"] is not None:
        return 0
    holds.update(known, ended_at=values["now"])
    return 1


@answers("holdings.corporate_actions", "_SEEN_SINCE")
def seen_since(book: Book, values: Values) -> list[Row]:
    found = book.table("corporate_action_holds").get(values["account"], values["symbol"])
    if found is None or found["ended_at"] is not None or found["seen_at"] <= values["since"]:
        return []
    return [{"?column?": 1}]


@answers("holdings.corporate_actions", "_HOLDS")
def holds_of(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.table("corporate_action_holds")
        if row["account_name"] == values["account"] and row["ended_at"] is None
    ]
    found.sort(key=lambda row: str(row["symbol"]))
    return [{"symbol": row["symbol"], "reason": row["reason"]} for row in found]


def unsettled(book: Book, account: str, ticker: str, today: date) -> list[str]:
    """What keeps entries out of the ticker, in words and in their order."""
    held = [
        row["reason"]
        for row in book.table("corporate_action_holds")
        if (row["account_name"], row["symbol"]) == (account, ticker) and row["ended_at"] is None
    ]
    announced = [
        f"{row['kind'].replace('_', ' ')} on {row['effective_on']}"
        for row in book.table("corporate_actions")
        if row["symbol"] == ticker
        and row["withdrawn_at"] is None
        and (row["reason"] is not None or row["kind"] in REFUSING)
        and row["effective_on"] - REFUSED_BEFORE <= today <= row["effective_on"] + REFUSED_AFTER
    ]
    return sorted([*held, *announced])
