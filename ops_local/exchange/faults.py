"""What goes wrong at a broker, on demand: which request, how, how often, by a seed.

A rule names a kind; the kind knows which requests it can spoil. Rules live in memory:
an exchange that starts anew is a healthy one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from ops_local.exchange.refusals import bad_parameter

# Younger orders and fills than this are the ones that are not listed yet.
LATE = timedelta(minutes=2)
STALE = timedelta(minutes=10)
SKEW = timedelta(minutes=3)

_ANY = r".*"
_ORDER = r"POST /v2/orders"
_ORDERS = r"GET /v2/orders.*"
_FILLS = r"GET /v2/account/activities.*"
_ACCOUNT = r"GET /v2/account"
_QUOTES = r"GET /v2/stocks/quotes/latest"

KINDS: Mapping[str, str] = {
    "not_heard": _ANY,
    "reply_lost": _ANY,
    "too_many_requests": _ANY,
    "server_error": _ANY,
    "malformed": _ANY,
    "truncated": _ANY,
    "slow": _ANY,
    "duplicate_fills": _FILLS,
    "late_fills": _FILLS,
    "unordered_fills": _FILLS,
    "not_listed": _ORDERS,
    "no_positions": r"GET /v2/positions",
    "stale_quote": _QUOTES,
    "crossed_quote": _QUOTES,
    "zero_quote": _QUOTES,
    "halted_stock": _ORDER,
    "no_buying_power": _ACCOUNT,
    "wrong_account": _ACCOUNT,
    "clock_skew": _ORDERS,
}


@dataclass(slots=True)
class Rule:
    """One thing that goes wrong.

    Attributes:
        requests: A pattern for "METHOD /path"; the kind's own where none was given.
        rate: Probability for each request that it fits.
        times: How often still; None is without end.
        seconds: How long a slow answer takes.
    """

    kind: str
    requests: re.Pattern[str]
    rate: float = 1.0
    times: int | None = None
    seconds: float = 11.0


class Faults:
    """The rules in force; without any, nothing goes wrong."""

    def __init__(self, rules: list[Rule] | None = None, *, seed: int = 0) -> None:
        self._rules = rules or []
        self._chance = Random(seed)  # noqa: S311 - a schedule to be repeated, no secret
        self.happened: dict[str, int] = {}

    def drawn(self, method: str, path: str) -> Rule | None:
        """The first rule that spoils this request, or None; drawn anew for each."""
        for rule in self._rules:
            if rule.times == 0 or not rule.requests.fullmatch(f"{method} {path}"):
                continue
            if rule.rate < 1 and self._chance.random() >= rule.rate:
                continue
            if rule.times is not None:
                rule.times -= 1
            self.happened[rule.kind] = self.happened.get(rule.kind, 0) + 1
            return rule
        return None


def read(body: Any) -> Faults:
    """`{"seed": 7, "rules": [{"kind": "reply_lost", "rate": 0.05, "times": 3}]}`.

    Raises:
        Refused: a kind is unknown, or a field is none of a rule's.
    """
    if not isinstance(body, dict) or set(body) - {"seed", "rules"}:
        raise bad_parameter("faults: an object with seed and rules is expected")
    return Faults([_rule(raw) for raw in body.get("rules", [])], seed=int(body.get("seed", 0)))


def _rule(raw: Any) -> Rule:
    if not isinstance(raw, dict) or raw.get("kind") not in KINDS:
        raise bad_parameter(f"faults: a rule names one of {', '.join(KINDS)}")
    if unknown := set(raw) - {"kind", "requests", "rate", "times", "seconds"}:
        raise bad_parameter(f"faults: a rule has no {', '.join(sorted(unknown))}")
    times = raw.get("times")
    return Rule(
        kind=raw["kind"],
        requests=re.compile(raw.get("requests") or KINDS[raw["kind"]]),
        rate=float(raw.get("rate", 1.0)),
        times=None if times is None else int(times),
        seconds=float(raw.get("seconds", 11.0)),
    )
