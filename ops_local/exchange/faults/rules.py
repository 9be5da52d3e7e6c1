"""The rules in force: which requests fail, how, and how often by a seed.

They are kept in memory only: an exchange that is restarted injects no new faults.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ops_local.exchange.faults.kinds import KINDS, FaultKind
from ops_local.exchange.faults.order_faults import OrderFaultKind, is_order_fault
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.words import Side

_SLOW_S = 11.0  # longer than clients usually wait for a response


@dataclass(slots=True)
class Rule:
    """One fault to inject.

    Attributes:
        requests: A pattern for "METHOD /path"; by default that of the kind.
        rate: Probability for each matching request, or order.
        times: How often it is still injected; None is without limit.
        minutes: How long it is in force, by the exchange's clock; None is without end.
        account: Only for this account, by name; None is all of them.
        symbol: Only orders, quotes, ... of this symbol. None: every one of them, or the
            first one for kinds that alter one item.
        side: Only orders of this side.
        seconds: Delay of a slow response.
        retry_after_s: What a 429 says in Retry-After; None: nothing.
        status: The word that unknown_status shows.
        bid_factor, ask_factor: What wide_quote multiplies the prices with.
        until: The end of `minutes`.
        frozen: The quotes that frozen_quote repeats.
    """

    kind: FaultKind
    requests: re.Pattern[str]
    rate: float = 1.0
    times: int | None = None
    minutes: float | None = None
    account: str | None = None
    symbol: str | None = None
    side: Side | None = None
    seconds: float = _SLOW_S
    retry_after_s: int | None = None
    status: str = "pending_review"
    bid_factor: float = 0.6
    ask_factor: float = 1.0
    until: datetime | None = None
    frozen: dict[str, Any] = field(default_factory=dict)

    def applies_to(self, account: str | None, now: datetime) -> bool:
        """Whether it is in force now for this account; None is an unknown one."""
        in_time = self.until is None or now < self.until
        return in_time and self.times != 0 and self.account in (None, account)

    def matches(self, method: str, path: str) -> bool:
        request = f"{method} {path}"
        return bool(
            self.requests.fullmatch(request) and re.fullmatch(KINDS[self.kind].requests, request)
        )


class Faults:
    """The rules in force, in order; without any, nothing fails.

    `injected` counts the faults injected so far by kind.
    """

    def __init__(
        self, rules: list[Rule] | None = None, *, seed: int = 0, since: datetime | None = None
    ) -> None:
        self._rules = rules or []
        self._chance = Random(seed)  # noqa: S311 - a repeatable schedule, not a secret
        self.injected: dict[str, int] = {}
        for rule in self._rules:
            if rule.minutes is not None and since is not None:
                rule.until = since + timedelta(minutes=rule.minutes)

    def draw(self, method: str, path: str, account: str | None, now: datetime) -> Rule | None:
        """The rule to inject into this request, or None. Each call draws anew."""
        for rule in self._rules:
            if is_order_fault(rule.kind) or not rule.applies_to(account, now):
                continue
            if rule.matches(method, path) and self._drawn(rule):
                return rule
        return None

    def draw_for_order(
        self, order: ExchangeOrder, account: str, now: datetime
    ) -> Iterator[OrderFaultKind]:
        """The faults that a newly accepted order gets, each kind at most once."""
        given: set[OrderFaultKind] = set()
        for rule in self._rules:
            kind = rule.kind
            if not is_order_fault(kind) or kind in given or not rule.applies_to(account, now):
                continue
            if rule.symbol not in (None, order.symbol) or rule.side not in (None, order.side):
                continue
            if rule.matches("POST", "/v2/orders") and self._drawn(rule):
                given.add(kind)
                yield kind

    def _drawn(self, rule: Rule) -> bool:
        if rule.rate < 1 and self._chance.random() >= rule.rate:
            return False
        if rule.times is not None:
            rule.times -= 1
        self.injected[rule.kind] = self.injected.get(rule.kind, 0) + 1
        return True
