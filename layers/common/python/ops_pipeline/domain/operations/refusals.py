"""Entries that one gate refuses whatever the idea is: what blocks an account, and what to do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ops_pipeline.domain.operations.health import Finding

# Fewer may be chance.
LEAST_REFUSED = 3

# Gates about the state of the pipeline or the market, and not about one idea.
BLOCKING: Mapping[str, str] = MappingProxyType(
    {
        "vix_regime": "the volatility index is at its limit or has no reading of the last session: "
        "see vix_history and market_regime's last run",
        "guard_alive": "the position manager has not completed a run: see its last run",
        "bar_freshness": "bars come late or not at all: see telemetry's last run and the data plan",
        "feature_freshness": "features are old: see the last runs of telemetry and features",
        "quote_freshness": "quotes are missing or old: see the market data and its plan",
    }
)
# These refuse ideas as well, so they count only where what they ask for was unknown.
BLOCKING_IF_UNKNOWN: Mapping[str, str] = MappingProxyType(
    {
        "trading_halt": "the broker does not say whether the symbols can be traded",
        "buying_power": "the broker's account could not be read, or takes no orders",
        "daily_loss": "the day's loss is unknown: the broker's account or its deposits "
        "could not be read",
        "max_positions": "the broker's positions or orders could not be read",
        "max_exposure": "quotes, or the broker's positions or orders, could not be read",
    }
)


@dataclass(frozen=True, slots=True)
class RefusedEntries:
    """An account's final recommendations of the last hour, and how many each gate refused."""

    account: str
    total: int
    by_gate: Mapping[str, int]


def blocked_entries(accounts: Iterable[RefusedEntries]) -> list[Finding]:
    """For each account: whether one gate refused everything that came."""
    return [_finding(account, _blocking(account)) for account in accounts]


def _blocking(account: RefusedEntries) -> list[str]:
    if account.total < LEAST_REFUSED:
        return []
    return sorted(gate for gate, refused in account.by_gate.items() if refused == account.total)


def _finding(account: RefusedEntries, gates: Sequence[str]) -> Finding:
    meanings = {**BLOCKING, **BLOCKING_IF_UNKNOWN}
    why = "; ".join(f"{gate}, {meanings[gate]}" for gate in gates)
    return Finding(
        kind="entries_refused",
        scope=account.account,
        subject=account.account,
        passed=not gates,
        severity="warning",
        message=f"All {account.total} entries of the last hour were refused by {why}",
        details={"total": account.total, "gates": list(gates)},
    )
