"""Assesses a recommendation: the gates' verdicts, and the order if all of them pass."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops_pipeline.domain import gates
from ops_pipeline.domain.gates import Verdicts
from ops_pipeline.domain.ledger import LedgerView
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.snapshots import MarketSnapshot
from ops_pipeline.execution.decisions.entry_facts import SizedFacts, gather
from ops_pipeline.execution.decisions.intents import IntentSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The changes that follow for one recommendation.

    Attributes:
        sizing: Kept with the verdicts of an entry, as JSON.
        order: To be placed; None when a gate refused, and for a SELL.
        kill_switch: Why the account's entries halt for the rest of the session.
        loss_at_broker: What of that only the broker's equity shows, USD: a second tick has to
            show it too. None where our own ledger shows it.
        unlisted: Open positions missing from the broker's list.
    """

    verdicts: Verdicts
    sizing: dict[str, Any] | None = None
    order: Order | None = None
    kill_switch: str | None = None
    loss_at_broker: Decimal | None = None
    unlisted: frozenset[str] = frozenset()

    @property
    def refusals(self) -> list[str]:
        """The reasons of the gates that refused."""
        return gates.refused(self.verdicts)


def assess(
    recommendation: Recommendation,
    ledger: LedgerView,
    snapshot: MarketSnapshot,
    *,
    rules: Parameters,
    intents: IntentSource,
) -> Assessment:
    """Evaluate every gate on these facts; a SELL passes only the gates that concern exits."""
    sized = gather(recommendation, ledger, snapshot, rules=rules, now=intents.decided_at)
    if recommendation.action == "SELL":
        verdicts = gates.assess_sell(sized.facts, rules.gates)
        return Assessment(verdicts=verdicts, unlisted=sized.facts.unlisted)
    verdicts = gates.assess_entry(sized.facts, rules.gates)
    return Assessment(
        verdicts=verdicts,
        sizing=_sizing(sized),
        order=_order(recommendation, ledger, sized, verdicts, intents),
        kill_switch=_loss_over_the_limit(verdicts),
        loss_at_broker=gates.loss_at_broker_alone(
            sized.facts.ledger_loss, sized.facts.broker_loss, sized.facts.limits.max_daily_loss
        ),
        unlisted=sized.facts.unlisted,
    )


def reassess(
    order: Order,
    recommendation: Recommendation,
    ledger: LedgerView,
    snapshot: MarketSnapshot,
    *,
    rules: Parameters,
    now: datetime,
) -> Verdicts:
    """Evaluate every gate for an entry that was committed and never placed.

    It is judged as if it were decided on now: its own reservation and its own place among
    the day's entries do not count, and its cost is what it was committed at.
    """
    sized = gather(recommendation, ledger.without(order), snapshot, rules=rules, now=now)
    facts = sized.facts
    if sized.size is not None:
        facts = replace(facts, cost=order.reserved_notional)
    return gates.assess_entry(facts, rules.gates)


def _order(
    recommendation: Recommendation,
    ledger: LedgerView,
    sized: SizedFacts,
    verdicts: Verdicts,
    intents: IntentSource,
) -> Order | None:
    if gates.refused(verdicts):
        return None
    if sized.size is None or sized.limit is None or sized.quote is None:
        raise ValueError("every gate passed without a size: the size gate is broken")
    attempt = ledger.attempts + 1
    quantity, limit, quote = sized.size.quantity, sized.limit, sized.quote
    return intents.entry(recommendation, quantity, limit, attempt, quote=quote)


def _loss_over_the_limit(verdicts: Verdicts) -> str | None:
    """An unknown loss refuses, but latches nothing."""
    loss = verdicts.get("daily_loss")
    latches = loss is not None and not loss.passed and loss.observed is not None
    return loss.reason if loss is not None and latches else None


def _sizing(sized: SizedFacts) -> dict[str, Any] | None:
    if sized.size is None:
        return None
    return {**asdict(sized.size), "limit_price": sized.limit}
