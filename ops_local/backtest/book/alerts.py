"""Statements on alerts and on what could not be booked."""

import json
from datetime import UTC, datetime
from typing import Any

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.holdings import looked_at
from ops_local.backtest.book.orders import is_live
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row

_KEY = ("kind", "scope", "subject")
_EVER = datetime.min.replace(tzinfo=UTC)
# As long as the columns of unbooked_facts.
_LONGEST = {"broker_id": 200, "symbol": 200, "reason": 400, "content": 2000}


def _open(book: Book, key: tuple[Any, ...]) -> Row | None:
    for row in book.table("alerts"):
        if row["resolved_at"] is None and tuple(row[name] for name in _KEY) == key:
            return row
    return None


@answers("operations.alerts", "_OPEN")
def open_alert(book: Book, values: Values) -> int:
    alerts = book.table("alerts")
    known = _open(book, tuple(values[name] for name in _KEY))
    if known is not None or alerts.get(values["id"]) is not None:
        return 0
    names = ("id", *_KEY, "severity", "message")
    row = {name: values[name] for name in names}
    alerts.insert({**row, "details": json.loads(values["details"]), "opened_at": values["now"]})
    return 1


@answers("operations.alerts", "_RESOLVE")
def resolve(book: Book, values: Values) -> int:
    known = _open(book, tuple(values[name] for name in _KEY))
    if known is None:
        return 0
    book.table("alerts").update(known, resolved_at=values["now"])
    return 1


@answers("operations.alerts", "_RESOLVE_KINDS")
def resolve_kinds(book: Book, values: Values) -> int:
    found = [
        row
        for row in book.table("alerts")
        if row["resolved_at"] is None
        and row["kind"] in values["kinds"]
        and row["scope"] == values["scope"]
    ]
    for row in found:
        book.table("alerts").update(row, resolved_at=values["now"])
    return len(found)


@answers("operations.alerts", "_OPEN_OF_KIND")
def open_of_kind(book: Book, values: Values) -> list[Row]:
    found = sorted(
        (row["scope"], row["subject"])
        for row in book.table("alerts")
        if row["resolved_at"] is None and row["kind"] == values["kind"]
    )
    return [{"scope": scope, "subject": subject} for scope, subject in found]


@answers("operations.alerts", "_OPEN_ONE")
def open_one(book: Book, values: Values) -> list[Row]:
    row = _open(book, tuple(values[name] for name in _KEY))
    return [] if row is None else [{"opened_at": row["opened_at"], "details": row["details"]}]


@answers("unbooked_facts", "_KEEP")
def keep_facts(book: Book, values: Values) -> int:
    facts, now = book.table("unbooked_facts"), values["now"]
    told = json.loads(values["facts"])
    for each in told:
        cut = {
            name: None if each[name] is None else each[name][:longest]
            for name, longest in _LONGEST.items()
        }
        row = {"account_name": values["account"], "kind": each["kind"], **cut}
        known = facts.get(values["account"], each["kind"], cut["broker_id"])
        first, last = (now, now) if known is None else (known["first_seen"], known["last_seen"])
        facts.insert({**row, "first_seen": first, "last_seen": max(last, now)})
    return len(told)


@answers("unbooked_facts", "_RESOLVE_REPORT")
def resolve_report(book: Book, values: Values) -> int:
    facts = book.table("unbooked_facts")
    known = facts.get(values["account"], "order_report", values["order"])
    if known is None or known["resolved_at"] is not None:
        return 0
    facts.update(known, resolved_at=values["now"], resolution="booked")
    return 1


@answers("unbooked_facts", "_RESOLVE")
def resolve_facts(book: Book, values: Values) -> list[Row]:
    facts, resolved = book.table("unbooked_facts"), list[Row]()
    for row in list(facts):
        if row["account_name"] != values["account"] or row["resolved_at"] is not None:
            continue
        subject = f"{row['kind']} {row['broker_id']}"
        if row["kind"] not in values["kinds"] or subject in values["still"]:
            continue
        told = subject in values["told"]
        booked = told
        if row["kind"] == "fill":
            booked = book.fills.get(values["account"], row["broker_id"]) is not None
        if booked or (row["last_seen"] < values["asked_at"] and not told):
            resolution = "booked" if booked else "gone"
            facts.update(row, resolved_at=values["now"], resolution=resolution)
            resolved.append({"subject": subject})
    return resolved


@answers("unbooked_facts", "_NOT_STORED")
def not_stored(book: Book, values: Values) -> list[Row]:
    account, found = values["account"], list[Row]()
    own, since = book.orders_of(account), looked_at(book, account) or _EVER
    told = zip(
        values["fill_ids"], values["order_ids"], values["symbols"], values["times"], strict=True
    )
    for fill_id, broker_order_id, symbol, executed_at in told:
        if book.fills.get(account, fill_id) is not None:
            continue
        known = [row for row in own if row["broker_order_id"] == broker_order_id]
        on_its_way = any(
            row["symbol"] == symbol and is_live(row) and row["broker_order_id"] is None
            for row in own
        )
        if not known and (executed_at < since or on_its_way):
            continue
        its = known[0] if known else {}
        names = ("client_order_id", "symbol", "side")
        found.append({"fill_id": fill_id, **{name: its.get(name) for name in names}})
    return found
