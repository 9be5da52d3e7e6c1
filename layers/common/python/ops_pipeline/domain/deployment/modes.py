"""How an account's orders are executed, in the operator's words and in the database's."""

from typing import Literal

# Real money is not offered: neither by the verbs nor by the file.
Mode = Literal["paper", "simulated"]
MODES: tuple[Mode, ...] = ("paper", "simulated")
NO_REAL_MONEY = "expected paper or simulated; real money is not offered in this version"

_SIMULATED = "SIMULATED"


def stored_mode(mode: Mode, broker: str) -> str:
    """As accounts.execution_mode has it: SIMULATED, or paper money named after its broker."""
    return _SIMULATED if mode == "simulated" else f"{broker.upper()}_PAPER"


def mode_shown(stored: str) -> str:
    """The operator's word for it."""
    if stored == _SIMULATED:
        return "simulated"
    return "paper" if stored.endswith("_PAPER") else stored.lower()
