"""Alpaca's corporate actions (`/v1/corporate-actions`), grouped by kind, in pages."""

from collections.abc import Callable, Iterable
from datetime import date

from starlette.routing import Route

from ops_local.exchange.api.calls import ApiCall, endpoint
from ops_local.exchange.records import AnnouncedAction
from ops_local.exchange.refusals import bad_query
from ops_local.exchange.words import AnnouncedKind
from ops_pipeline.domain.market import new_york_day

Answer = dict[str, object]


def list_actions(call: ApiCall) -> Answer:
    """Those listed of the asked symbols and kinds, by the day that they are processed on."""
    limit = call.whole_number("limit", default=100, most=1000)
    newest_first = call.one_of("sort", ("asc", "desc")) == "desc"
    found = sorted(_asked(call), key=lambda it: (_process_date(it), it.action_id))
    if newest_first:
        found.reverse()
    found = _after(call.text("page_token", ""), found)
    sections: dict[str, list[Answer]] = {}
    for action in found[:limit]:
        sections.setdefault(f"{action.kind}s", []).append(_answer(action))
    token = found[limit - 1].action_id if len(found) > limit else None
    return {"corporate_actions": sections, "next_page_token": token}


def _asked(call: ApiCall) -> Iterable[AnnouncedAction]:
    listed = [it for it in call.exchange.store.announced_actions() if it.listed]
    ids = {it for it in call.text("ids", "").split(",") if it}
    if ids:
        return [it for it in listed if it.action_id in ids]
    today = new_york_day(call.now)
    first, last = _day(call, "start", today), _day(call, "end", today)
    if first > last:
        raise bad_query("end should not be before start")
    symbols = set(call.symbols())
    kinds = {it for it in call.text("types", "").split(",") if it}
    return [
        it
        for it in listed
        if first <= date.fromisoformat(_process_date(it)) <= last
        and (not symbols or {it.symbol, it.new_symbol} & symbols)
        and (not kinds or it.kind in kinds)
    ]


def _process_date(action: AnnouncedAction) -> str:
    """A dividend is processed when it is paid, everything else on its day."""
    return action.payable_date if action.kind == "cash_dividend" else action.ex_date


def _day(call: ApiCall, name: str, default: date) -> date:
    text = call.text(name, default.isoformat())
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise bad_query(f"invalid {name}: {text!r}") from error


def _after(token: str, found: list[AnnouncedAction]) -> list[AnnouncedAction]:
    if not token:
        return found
    ids = [it.action_id for it in found]
    if token not in ids:
        raise bad_query("invalid page_token")
    return found[ids.index(token) + 1 :]


def _cusip(symbol: str | None) -> str:
    """Nine characters, which a recording does not have."""
    return (symbol or "").ljust(9, "0")[:9]


def _answer(it: AnnouncedAction) -> Answer:
    """The fields that the published API requires of its kind, and few others."""
    return {
        "id": it.action_id,
        "process_date": _process_date(it),
        **_named(it),
        **_FIELDS_OF[it.kind](it),
    }


def _named(it: AnnouncedAction) -> Answer:
    """The security and its CUSIP, under the names that the kind has for them."""
    old, new = _NAMES_OF.get(it.kind, ("{}", None))
    named: Answer = {old.format("symbol"): it.symbol, old.format("cusip"): _cusip(it.symbol)}
    if new is not None:
        named |= {new.format("symbol"): it.new_symbol, new.format("cusip"): _cusip(it.new_symbol)}
    return named


def _forward_split(it: AnnouncedAction) -> Answer:
    return {
        "ex_date": it.ex_date,
        "old_rate": _float(it.old_rate),
        "new_rate": _float(it.new_rate),
    }


def _reverse_split(it: AnnouncedAction) -> Answer:
    """It has a new CUSIP in any case, and a new symbol in some."""
    becomes: Answer = {"new_symbol": it.new_symbol} if it.new_symbol else {}
    cusips: Answer = {"old_cusip": _cusip(it.symbol), "new_cusip": _cusip(f"N{it.symbol}")}
    return {**_forward_split(it), **cusips, **becomes}


def _stock_dividend(it: AnnouncedAction) -> Answer:
    return {"ex_date": it.ex_date, "rate": _float(it.cash)}


def _cash_dividend(it: AnnouncedAction) -> Answer:
    return {
        **_stock_dividend(it),
        "payable_date": it.payable_date,
        "special": False,
        "foreign": False,
        "currency": "USD",
    }


def _nothing_more(_: AnnouncedAction) -> Answer:
    return {}


def _cash_merger(it: AnnouncedAction) -> Answer:
    return {"rate": _float(it.cash), "effective_date": it.ex_date}


def _stock_merger(it: AnnouncedAction) -> Answer:
    return {
        "acquiree_rate": _float(it.old_rate),
        "acquirer_rate": _float(it.new_rate),
        "effective_date": it.ex_date,
    }


def _stock_and_cash_merger(it: AnnouncedAction) -> Answer:
    return {**_stock_merger(it), "cash_rate": _float(it.cash)}


def _spin_off(it: AnnouncedAction) -> Answer:
    return {
        "ex_date": it.ex_date,
        "source_rate": _float(it.old_rate),
        "new_rate": _float(it.new_rate),
    }


_NAMES_OF: dict[AnnouncedKind, tuple[str, str | None]] = {
    "name_change": ("old_{}", "new_{}"),
    "cash_merger": ("acquiree_{}", None),
    "stock_merger": ("acquiree_{}", "acquirer_{}"),
    "stock_and_cash_merger": ("acquiree_{}", "acquirer_{}"),
    "spin_off": ("source_{}", "new_{}"),
}
_FIELDS_OF: dict[AnnouncedKind, Callable[[AnnouncedAction], Answer]] = {
    "forward_split": _forward_split,
    "reverse_split": _reverse_split,
    "stock_dividend": _stock_dividend,
    "cash_dividend": _cash_dividend,
    "name_change": _nothing_more,
    "cash_merger": _cash_merger,
    "stock_merger": _stock_merger,
    "stock_and_cash_merger": _stock_and_cash_merger,
    "spin_off": _spin_off,
    "worthless_removal": _nothing_more,
}


def _float(number: object) -> float | None:
    return None if number is None else float(str(number))


ROUTES = [Route("/v1/corporate-actions", endpoint(list_actions), methods=["GET"])]
