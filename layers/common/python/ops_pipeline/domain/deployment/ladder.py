"""The ladder to real money: shadow trading, paper trading, live trading, one rung after the other.

The mode of an account says on which rung it stands. Live trading is not offered in this version:
nothing is built for an account in such a mode that could send an order.
"""

from typing import Literal

# shadow: decides, and books fills at quotes; sends nothing. paper: sends to a paper account.
Rung = Literal["shadow", "paper", "live"]
LADDER: tuple[Rung, ...] = ("shadow", "paper", "live")
OFFERED: tuple[Rung, ...] = ("shadow", "paper")


def rung_of(execution_mode: str) -> Rung:
    """The rung of accounts.execution_mode; a mode that nobody knows counts as real money."""
    if execution_mode == "SIMULATED":
        return "shadow"
    return "paper" if execution_mode.endswith("_PAPER") else "live"


def why_not_offered(execution_mode: str) -> str | None:
    """Why an account in that mode may not trade at all; None where it may."""
    if rung_of(execution_mode) in OFFERED:
        return None
    return (
        f"mode {execution_mode}: live trading is not offered in this version; "
        "an account trades paper money or simulates"
    )
