"""The terms that orders, positions and recommendations are stored with, one type a column."""

from typing import Literal

Instrument = Literal["STOCK", "CALL", "PUT"]
Strategy = Literal["day_trade", "swing_trade"]
Action = Literal["BUY", "SELL"]

ExitRequest = Literal["operator", "emergency", "signal"]
ExitRule = Literal[
    ExitRequest,
    "session_end",
    "stop_loss",
    "trailing_stop",
    "take_profit",
    "time",
    "partial",
]
# Why an order was placed or a position closed: an exit rule, the reconciler, or
# what became of the security.
TradeReason = Literal[ExitRule, "adopted", "missing_at_broker", "corporate_action"]

PositionStatus = Literal["open", "closing", "closed"]
LifecycleState = Literal["initial", "breakeven", "partial", "adopted"]
StateRule = Literal["breakeven", "partial_rounds_to_nothing"]
PositionEventKind = Literal[
    StateRule,
    "opened",
    "added",
    "reduced",
    "oversold",
    "covered",
    "closed",
    "exit_requested",
    "exit_decided",
    "adopted",
    "repaired",
    "adjusted",
]

# The source of a fill.
Evidence = Literal["broker", "simulated"]

# What authorities and clearing houses charge on trades: see domain/costs/fees.txt.
FeeKind = Literal["SEC", "TAF", "CAT", "ORF", "OCC"]

# An OCC option symbol is longer than any ticker.
_LONGEST_TICKER = 10
_SHARES_A_CONTRACT = 100


def is_contract(symbol: str) -> bool:
    """Whether a symbol names an option contract."""
    return len(symbol) > _LONGEST_TICKER


def multiplier_of(symbol: str) -> int:
    """Shares that one unit of this symbol stands for."""
    return _SHARES_A_CONTRACT if is_contract(symbol) else 1
