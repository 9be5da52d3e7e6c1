"""Sets conditions of accounts and assets, and behaviours, as the control API asks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ops_local.exchange.accounts import KeyRing
from ops_local.exchange.conditions import (
    BEHAVIOURS,
    OPTIONS_LEVEL,
    AccountCondition,
    AssetCondition,
    Behaviour,
    SymbolHalt,
    is_behaviour,
)
from ops_local.exchange.refusals import ApiRefusal, bad_parameter
from ops_local.exchange.storage.store import Store

_FLAGS = ("trading_blocked", "account_blocked", "trade_suspended_by_user", "transfers_blocked")
_ACCOUNT_FIELDS = {"account", "status", "options_trading_level", "no_shorting", *_FLAGS}
_ASSET_FIELDS = {"symbol", "status", "tradable"}
_KEY_FIELDS = {"account", "key_id", "secret_key", "opens"}


def set_account(store: Store, asked: Any) -> AccountCondition:
    """Change what `{"account": "large", "trading_blocked": true}` names; the rest stays.

    Raises:
        ApiRefusal: no such account, or a field is unknown or malformed.
    """
    fields = _object(asked, _ACCOUNT_FIELDS, "account")
    ledger = next((it for it in store.ledgers() if it.name == fields.get("account")), None)
    if ledger is None:
        raise bad_parameter(f"account: no account {fields.get('account')}")
    changes = {name: value for name, value in fields.items() if name != "account"}
    for name, value in changes.items():
        if not _fits(name, value):
            raise bad_parameter(f"account: {name} can't be {value!r}")
    changed = replace(store.account_condition(ledger.account_number), **changes)
    store.save(changed)
    return changed


def set_asset(store: Store, asked: Any, symbols: frozenset[str]) -> AssetCondition:
    """Change what `{"symbol": "AAA", "tradable": false}` names; the rest stays.

    Raises:
        ApiRefusal: no such asset, or a field is unknown or malformed.
    """
    fields = _object(asked, _ASSET_FIELDS, "asset")
    symbol = fields.get("symbol")
    if symbol not in symbols:
        raise bad_parameter(f"asset: no asset {symbol}")
    status, tradable = fields.get("status", "active"), fields.get("tradable", True)
    if status not in ("active", "inactive") or not isinstance(tradable, bool):
        raise bad_parameter("asset: status is active or inactive, tradable true or false")
    changes = {name: value for name, value in fields.items() if name != "symbol"}
    changed = replace(store.asset_condition(symbol), **changes)
    store.save(changed)
    return changed


def set_halt(store: Store, asked: Any, symbols: frozenset[str], now: datetime) -> str:
    """Halt trading as `{"symbol": "AAA", "halted": true}` says, or resume it; return the symbol.

    Raises:
        ApiRefusal: no such asset, or a field is missing, unknown or malformed.
    """
    fields = _object(asked, {"symbol", "halted"}, "halt")
    symbol, halted = fields.get("symbol"), fields.get("halted")
    if symbol not in symbols or not isinstance(symbol, str):
        raise bad_parameter(f"halt: no asset {symbol}")
    if not isinstance(halted, bool):
        raise bad_parameter("halt: halted is true or false")
    standing = [it for it in store.symbol_halts(symbol) if it.resumed_at is None]
    if halted and not standing:
        store.save(SymbolHalt(symbol, now))
    if not halted:
        for halt in standing:
            store.save(replace(halt, resumed_at=now))
    return symbol


def set_behaviour(store: Store, asked: Any) -> Behaviour:
    """Set `{"name": "stop_through_market", "value": "refuse"}`.

    Raises:
        ApiRefusal: no such behaviour, or a value that it does not have.
    """
    fields = _object(asked, {"name", "value"}, "behaviour")
    name, value = fields.get("name"), fields.get("value")
    if not is_behaviour(name):
        raise bad_parameter(f"behaviour: name is one of {', '.join(BEHAVIOURS)}")
    if value not in BEHAVIOURS[name]:
        raise bad_parameter(f"behaviour: {name} is one of {', '.join(BEHAVIOURS[name])}")
    behaviour = Behaviour(name, value)
    store.save(behaviour)
    return behaviour


def rotate_keys(keys: KeyRing, asked: Any) -> None:
    """Give `{"account": "large", "key_id": "new", "secret_key": "s"}` new keys; old ones get 401.

    With `"opens": "tiny"` the new keys open another account.

    Raises:
        ApiRefusal: a field is missing or unknown, no such account, or the key is taken.
    """
    fields = _object(asked, _KEY_FIELDS, "keys")
    given = [fields.get(name) for name in ("account", "key_id", "secret_key")]
    given.append(fields.get("opens", given[0]))
    texts = [text for text in given if isinstance(text, str) and text]
    if len(texts) != len(given):
        raise bad_parameter("keys: account, key_id and secret_key are texts")
    try:
        keys.rotate(*texts)
    except (LookupError, ValueError) as error:
        raise bad_parameter(f"keys: {error.args[0]}") from error


def _object(asked: Any, fields: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(asked, Mapping) or set(asked) - fields:
        raise _odd_fields(fields, what)
    return asked


def _odd_fields(fields: set[str], what: str) -> ApiRefusal:
    return bad_parameter(f"{what}: an object of {', '.join(sorted(fields))} is expected")


def _fits(name: str, value: object) -> bool:
    if name == "status":
        return isinstance(value, str) and bool(value)
    if name == "options_trading_level":
        return type(value) is int and 0 <= value <= OPTIONS_LEVEL
    return isinstance(value, bool) or (name == "no_shorting" and value is None)
