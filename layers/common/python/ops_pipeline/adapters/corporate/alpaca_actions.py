"""Corporate actions from Alpaca's market data API (`/v1/corporate-actions`), as raw JSON.

Each item is read by itself. Of one that names a symbol and is otherwise not understood the
symbol is told, so that nobody trades in it as if nothing happened.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.adapters.items import Illegible, described, read_each, text_of
from ops_pipeline.domain.corporate.actions import KINDS, ActionKind, CorporateAction
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.errors import MarketDataUnavailable

_PATH = "/corporate-actions"
_ITEMS_A_PAGE = 1_000
_MOST_PAGES = 100
# Keeps the request line well under what servers accept.
_SYMBOLS_A_REQUEST = 200
_LONGEST_CONTENT = 2_000
_MOST = Decimal(10) ** 9
_SYMBOL_FIELDS = ("symbol", "old_symbol", "source_symbol", "acquiree_symbol")
_DAY_FIELDS = ("ex_date", "effective_date", "process_date")
_ONE = Decimal(1)
# The day from which on a kind is in force, where it is not the one that it is booked on.
_DAY_OF: Mapping[ActionKind, str] = {
    **dict.fromkeys(
        (
            "forward_split",
            "reverse_split",
            "stock_dividend",
            "cash_dividend",
            "spin_off",
            "rights_distribution",
        ),
        "ex_date",
    ),
    **dict.fromkeys(("cash_merger", "stock_merger", "stock_and_cash_merger"), "effective_date"),
}
# No issuer splits a share into more, or so many into one.
_MOST_FOR_ONE = Decimal(1_000_000)


class AlpacaCorporateActions:
    """ports.CorporateActionFeed.

    Args:
        url: Without the version, for example https://data.alpaca.markets.
        renew: Reads the keys anew after a 401.
    """

    def __init__(
        self, *, url: str, key_id: str, secret_key: str, renew: Renew | None = None
    ) -> None:
        self._wire = Wire(url, key_id, secret_key, renew, version="v1")

    def announced(
        self, symbols: Sequence[str], first: date, last: date
    ) -> Listing[CorporateAction]:
        """As the port says.

        Raises:
            MarketDataUnavailable: no answer, a refusal in Alpaca's words, or an answer that is
                not what its API promises.
        """
        found = read_each(self._items(symbols, first, last), _action, _described)
        each = {it.action_id: it for it in found}
        return Listing(each.values(), found.illegible)

    def _items(
        self, symbols: Sequence[str], first: date, last: date
    ) -> Iterator[tuple[str, object]]:
        for start in range(0, len(symbols), _SYMBOLS_A_REQUEST):
            asked = {
                "symbols": ",".join(symbols[start : start + _SYMBOLS_A_REQUEST]),
                "start": first.isoformat(),
                "end": last.isoformat(),
                "limit": str(_ITEMS_A_PAGE),
                "sort": "asc",
            }
            yield from self._paged(asked)

    def _paged(self, asked: dict[str, str]) -> Iterator[tuple[str, object]]:
        for _ in range(_MOST_PAGES):
            page = self._ask(asked)
            sections = page.get("corporate_actions")
            if not isinstance(sections, dict):
                raise MarketDataUnavailable(f"{_PATH}: the answer has no corporate_actions by kind")
            for kind, items in sections.items():
                for item in items if isinstance(items, list) else [items]:
                    yield str(kind), item
            token = page.get("next_page_token")
            if not token:
                return
            if token == asked.get("page_token"):
                raise MarketDataUnavailable(f"{_PATH}: the pages do not move on")
            asked = {**asked, "page_token": str(token)}
        raise MarketDataUnavailable(f"{_PATH}: more than {_MOST_PAGES} pages")

    def _ask(self, asked: dict[str, str]) -> Mapping[str, Any]:
        try:
            answer = self._get(asked)
        except (RequestRefused, NotSent, NoAnswer) as error:
            raise MarketDataUnavailable(f"{_PATH}: {str(error)[:500]}") from None
        if not isinstance(answer, dict):
            raise MarketDataUnavailable(f"{_PATH}: the answer is no JSON object")
        return answer

    def _get(self, asked: dict[str, str]) -> Any:
        try:
            return self._wire.get(_PATH, asked)
        except RequestRefused as refusal:
            if not (refusal.is_about_keys and self._wire.renew()):
                raise
        return self._wire.get(_PATH, asked)


def _kind(section: str) -> ActionKind:
    """`forward_splits` holds forward_split; a section of a new name is one of an unknown kind."""
    word = section.removesuffix("s")
    return next((it for it in KINDS if it == word), "unknown")


def _action(told: tuple[str, object]) -> CorporateAction:
    """One announcement. Raises Illegible without id, symbol or any day."""
    section, raw = told
    if not isinstance(raw, dict):
        raise Illegible("the announcement is no JSON object")
    kind, action_id, symbol = _kind(section), text_of(raw, "id"), _first_text(raw, _SYMBOL_FIELDS)
    day = next((it for name in _DAY_FIELDS if (it := _day(raw, name)) is not None), None)
    if not action_id or not symbol or day is None:
        raise Illegible("id, symbol or day is missing")
    reason = f"{section} are not known here" if kind == "unknown" else None
    try:
        terms = {} if reason else _terms(kind, raw)
    except Illegible as error:
        terms, reason = {}, str(error)
    return CorporateAction(
        action_id=action_id,
        kind=kind,
        symbol=symbol,
        new_symbol=terms.get("new_symbol"),
        old_rate=terms.get("old_rate"),
        new_rate=terms.get("new_rate"),
        cash=terms.get("cash"),
        effective_on=day,
        process_on=_day(raw, "process_date") or day,
        payable_on=_day(raw, "payable_date"),
        reason=reason,
        content=json.dumps(raw, sort_keys=True)[:_LONGEST_CONTENT],
    )


def _terms(kind: ActionKind, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the kind's own fields say. Raises Illegible where one is missing or odd."""
    read = _TERMS_OF.get(kind)
    if read is None:
        raise Illegible(f"what a {kind.replace('_', ' ')} does to shares is not decided here")
    day = _DAY_OF.get(kind)
    if day is not None and _day(raw, day) is None:
        raise Illegible(f"its {day} is no day")
    return read(raw)


def _split(raw: Mapping[str, Any]) -> dict[str, Any]:
    new_symbol = text_of(raw, "new_symbol")
    if raw.get("new_symbol") and new_symbol is None:
        raise Illegible("new_symbol is not legible")
    return {**_rates(raw, "old_rate", "new_rate"), "new_symbol": new_symbol}


def _shares_given(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"old_rate": _ONE, "new_rate": _ONE + _number(raw, "rate")}


def _renaming(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A change of the CUSIP alone has the same symbol twice."""
    same = text_of(raw, "new_symbol") == text_of(raw, "old_symbol")
    return {"new_symbol": None if same else _required(raw, "new_symbol")}


def _paid(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"cash": _dollars(raw, "rate")}


def _stock_merger(raw: Mapping[str, Any]) -> dict[str, Any]:
    rates = _rates(raw, "acquiree_rate", "acquirer_rate")
    return {**rates, "new_symbol": _required(raw, "acquirer_symbol")}


def _stock_and_cash_merger(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The cash is for as many shares as the rates are."""
    merger = _stock_merger(raw)
    return {**merger, "cash": _dollars(raw, "cash_rate") / merger["old_rate"]}


def _given(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"new_symbol": _required(raw, "new_symbol")}


_TERMS_OF: Mapping[ActionKind, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "forward_split": _split,
    "reverse_split": _split,
    "stock_dividend": _shares_given,
    "name_change": _renaming,
    "cash_dividend": _paid,
    "cash_merger": _paid,
    "stock_merger": _stock_merger,
    "stock_and_cash_merger": _stock_and_cash_merger,
    "spin_off": _given,
    "rights_distribution": _given,
}


def _rates(raw: Mapping[str, Any], old: str, new: str) -> dict[str, Decimal]:
    before, after = _number(raw, old, above=0), _number(raw, new, above=0)
    if max(before / after, after / before) > _MOST_FOR_ONE:
        raise Illegible(f"{before} to {after} is no plausible ratio")
    return {"old_rate": before, "new_rate": after}


def _dollars(raw: Mapping[str, Any], name: str) -> Decimal:
    """An amount for a share; of another currency it can't be counted here."""
    currency = raw.get("currency") or "USD"
    if currency != "USD":
        raise Illegible(f"{name} is in {currency}")
    return _number(raw, name)


def _number(raw: Mapping[str, Any], name: str, *, above: int | None = None) -> Decimal:
    value = raw.get(name)
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise Illegible(f"{name} is missing or no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Illegible(f"{name} is no number") from None
    if not number.is_finite() or number < 0 or number >= _MOST:
        raise Illegible(f"{name} is no plausible number")
    if above is not None and number <= above:
        raise Illegible(f"{name} is not above {above}")
    return number


def _required(raw: Mapping[str, Any], name: str) -> str:
    text = text_of(raw, name)
    if not text:
        raise Illegible(f"{name} is missing")
    return text


def _first_text(raw: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((text for name in names if (text := text_of(raw, name))), None)


def _day(raw: Mapping[str, Any], name: str) -> date | None:
    try:
        return date.fromisoformat(text_of(raw, name) or "")
    except ValueError:
        return None


def _described(told: object, reason: str) -> IllegibleItem:
    """As much of an announcement as is legible."""
    raw = told[1] if isinstance(told, tuple) else told
    symbol = _first_text(raw, _SYMBOL_FIELDS) if isinstance(raw, dict) else None
    name = text_of(raw, "id") or symbol
    return described("corporate_action", raw, reason, name=name, symbol=symbol)
