"""The rules in force: which requests fail, how, and how often by a seed.

They are kept in memory only: an exchange that is restarted injects no faults.
"""

import re
from dataclasses import dataclass
from random import Random
from typing import Any

from ops_local.exchange.faults.kinds import KINDS, FaultKind, is_kind
from ops_local.exchange.refusals import bad_parameter

_SLOW_S = 11.0  # longer than clients usually wait for a response


@dataclass(slots=True)
class Rule:
    """One fault to inject.

    Attributes:
        requests: A pattern for "METHOD /path"; by default that of the kind.
        rate: Probability for each matching request.
        times: How often it is still injected; None is without limit.
        seconds: Delay of a slow response.
    """

    kind: FaultKind
    requests: re.Pattern[str]
    rate: float = 1.0
    times: int | None = None
    seconds: float = _SLOW_S


class Faults:
    """The rules in force, in order; without any, nothing fails.

    `injected` counts the faults injected so far by kind.
    """

    def __init__(self, rules: list[Rule] | None = None, *, seed: int = 0) -> None:
        self._rules = rules or []
        self._chance = Random(seed)  # noqa: S311 - a repeatable schedule, not a secret
        self.injected: dict[str, int] = {}

    def draw(self, method: str, path: str) -> Rule | None:
        """The rule to inject into this request, or None. Each call draws anew."""
        for rule in self._rules:
            if rule.times == 0 or not rule.requests.fullmatch(f"{method} {path}"):
                continue
            if rule.rate < 1 and self._chance.random() >= rule.rate:
                continue
            if rule.times is not None:
                rule.times -= 1
            self.injected[rule.kind] = self.injected.get(rule.kind, 0) + 1
            return rule
        return None


def read(body: Any) -> Faults:
    """Read `{"seed": 7, "rules": [{"kind": "reply_lost", "rate": 0.05, "times": 3}]}`.

    Raises:
        ApiRefusal: a kind is unknown, or a field is not one of a rule's.
    """
    if not isinstance(body, dict) or set(body) - {"seed", "rules"}:
        raise bad_parameter("faults: an object with seed and rules is expected")
    return Faults([_rule(raw) for raw in body.get("rules", [])], seed=int(body.get("seed", 0)))


def _rule(raw: Any) -> Rule:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not is_kind(kind):
        raise bad_parameter(f"faults: a rule names one of {', '.join(KINDS)}")
    if unknown := set(raw) - {"kind", "requests", "rate", "times", "seconds"}:
        raise bad_parameter(f"faults: a rule has no {', '.join(sorted(unknown))}")
    times = raw.get("times")
    return Rule(
        kind=kind,
        requests=re.compile(raw.get("requests") or KINDS[kind].requests),
        rate=float(raw.get("rate", 1.0)),
        times=None if times is None else int(times),
        seconds=float(raw.get("seconds", _SLOW_S)),
    )
