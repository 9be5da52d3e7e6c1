"""Recommendations and their statuses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ops_pipeline.domain.trading_terms import Action, Instrument, Strategy

RecommendationStatus = Literal[
    "PENDING",
    "PROCESSING",
    "EXECUTED",
    "SIMULATED",
    "SKIPPED",
    "FAILED",
    "CANCELLED",
    "EXPIRED",
]
FinalStatus = Literal["EXECUTED", "SIMULATED", "SKIPPED", "FAILED", "CANCELLED", "EXPIRED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One claimed row of `dispatch_recommendations`."""

    id: int
    ts: datetime
    created_at: datetime
    account_name: str
    ticker: str
    action: Action
    instrument_type: Instrument
    strategy_type: Strategy
    confidence: float
    reason: Any
    features_snapshot: dict[str, Any]
    status: RecommendationStatus
