"""Reads fault rules from JSON."""

import re
from datetime import datetime
from typing import Any

from ops_local.exchange.faults.kinds import KINDS, is_kind
from ops_local.exchange.faults.rules import Faults, Rule
from ops_local.exchange.refusals import ApiRefusal, bad_parameter

# What each field of a rule is converted with, those that every kind has first.
COMMON = {"rate": float, "times": int, "minutes": float, "account": str}
OPTIONS = {
    "symbol": str,
    "side": str,
    "seconds": float,
    "retry_after_s": int,
    "status": str,
    "bid_factor": float,
    "ask_factor": float,
}


def read(body: Any, now: datetime) -> Faults:
    """Read `{"seed": 7, "rules": [{"kind": "reply_lost", "rate": 0.05, "times": 3}]}`.

    Raises:
        ApiRefusal: a kind is unknown, or a rule has a field that its kind does not have.
    """
    if not isinstance(body, dict) or set(body) - {"seed", "rules"}:
        raise bad_parameter("faults: an object with seed and rules is expected")
    rules, seed = body.get("rules", []), body.get("seed", 0)
    if not isinstance(rules, list) or not isinstance(seed, int):
        raise bad_parameter("faults: rules is a list and seed a whole number")
    return Faults([_rule(raw) for raw in rules], seed=seed, since=now)


def _rule(raw: Any) -> Rule:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not is_kind(kind):
        raise bad_parameter(f"faults: a rule names one of {', '.join(KINDS)}")
    fault = KINDS[kind]
    fields = {**COMMON, **{name: OPTIONS[name] for name in fault.options}}
    if unknown := set(raw) - {"kind", "requests", *fields}:
        raise bad_parameter(f"faults: a rule of {kind} has no {', '.join(sorted(unknown))}")
    try:
        given = {name: fields[name](raw[name]) for name in fields if raw.get(name) is not None}
        pattern = re.compile(raw.get("requests") or fault.requests)
    except (TypeError, ValueError, re.error) as error:
        raise _unreadable(kind) from error
    if given.get("side", "buy") not in ("buy", "sell"):
        raise _unreadable(kind)
    return Rule(kind=kind, requests=pattern, **given)


def _unreadable(kind: str) -> ApiRefusal:
    return bad_parameter(f"faults: a rule of {kind} has a value that can't be read")
