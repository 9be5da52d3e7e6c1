"""Requests to a broker and its answers, as they are kept: without keys, account and money."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "hidden"
# Of an account this much is needed to read it; its amounts are nobody's business.
_OF_AN_ACCOUNT = (
    "status",
    "currency",
    "crypto_status",
    "trading_blocked",
    "transfers_blocked",
    "account_blocked",
    "trade_suspended_by_user",
    "shorting_enabled",
    "multiplier",
    "options_approved_level",
    "options_trading_level",
    "created_at",
)
_AMOUNTS = ("cash", "equity", "last_equity", "buying_power", "options_buying_power")
_ANY_AMOUNT = "100000"
_PRIVATE = ("account", "key", "password", "secret", "token", "user")


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """One request and what came back.

    Attributes:
        answer: The JSON of the answer, None for an empty body.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 200
    answer: Any = None


def redacted(exchanges: Iterable[HttpExchange], private: Iterable[str]) -> list[dict[str, Any]]:
    """The exchanges as JSON, without what must not be passed on.

    Args:
        private: Texts that may stand nowhere: keys and the account's number.

    Raises:
        ValueError: one of them is left in spite of all; nothing may be written then.
    """
    texts = [text for text in private if text]
    kept = [_kept(each, texts) for each in exchanges]
    if any(text in str(kept) for text in texts):
        raise ValueError("a key or an account number would stand in the transcript")
    return kept


def _kept(each: HttpExchange, texts: list[str]) -> dict[str, Any]:
    answer = each.answer
    if each.path.endswith("/account") and isinstance(answer, Mapping) and each.status == 200:
        answer = _of_account(answer)
    return {
        "method": each.method,
        "path": _clean(each.path, texts),
        "query": _clean(dict(each.query), texts),
        "body": _clean(each.body, texts),
        "status": each.status,
        "answer": _clean(_without_private(answer), texts),
    }


def _of_account(answer: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: answer[name] for name in _OF_AN_ACCOUNT if name in answer}
    amounts = {name: _ANY_AMOUNT for name in _AMOUNTS if name in answer}
    return {"id": HIDDEN, "account_number": HIDDEN, **shown, **amounts}


def _without_private(value: Any) -> Any:
    """Leave out fields whose names promise something private, unless they are flags or hidden."""
    match value:
        case Mapping():
            return {
                str(name): _without_private(item)
                for name, item in value.items()
                if isinstance(item, bool)
                or item == HIDDEN
                or not any(word in str(name).lower() for word in _PRIVATE)
            }
        case list():
            return [_without_private(item) for item in value]
    return value


def _clean(value: Any, texts: list[str]) -> Any:
    match value:
        case str():
            for text in texts:
                value = value.replace(text, HIDDEN)
            return value
        case Mapping():
            return {_clean(str(name), texts): _clean(item, texts) for name, item in value.items()}
        case list() | tuple():
            return [_clean(item, texts) for item in value]
    return value
