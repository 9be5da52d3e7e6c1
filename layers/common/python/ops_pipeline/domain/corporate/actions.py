"""Corporate actions as a vendor announces them: splits, dividends, renamings, mergers.

Rates are as announced, so many new shares for so many old ones; cash is USD for one old share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, get_args

ActionKind = Literal[
    "forward_split",
    "reverse_split",
    "stock_dividend",
    "name_change",
    "stock_merger",
    "stock_and_cash_merger",
    "cash_merger",
    "cash_dividend",
    "spin_off",
    "rights_distribution",
    "unit_split",
    "redemption",
    "partial_call",
    "worthless_removal",
    "reorganization",
    "unknown",
]
KINDS: tuple[ActionKind, ...] = get_args(ActionKind)
# Each share becomes a known number of shares, of the same symbol or of another.
RESTATING: frozenset[ActionKind] = frozenset(
    {
        "forward_split",
        "reverse_split",
        "stock_dividend",
        "name_change",
        "stock_merger",
        "stock_and_cash_merger",
    }
)
# The shares stay as they are, and something is given for each.
GIVING: frozenset[ActionKind] = frozenset({"cash_dividend", "spin_off", "rights_distribution"})
# The security ends, or becomes another: nothing of it is bought shortly before and after.
ENDING: frozenset[ActionKind] = frozenset(
    {"name_change", "stock_merger", "stock_and_cash_merger", "cash_merger"}
)
# Nothing is decided here by these: what they do to a holding cannot be told from their fields.
UNDECIDED: frozenset[ActionKind] = frozenset(
    {
        "unit_split",
        "redemption",
        "partial_call",
        "worthless_removal",
        "reorganization",
        "unknown",
    }
)
REFUSING = ENDING | UNDECIDED
# The vendor tells an action again with other dates or under another id for as long.
SAME_WITHIN = timedelta(days=5)
# Around its day an action that ends a security, or that is not understood, keeps entries out.
REFUSED_BEFORE = timedelta(days=1)
REFUSED_AFTER = timedelta(days=5)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateAction:
    """One row of `corporate_actions`; see the comments there."""

    action_id: str
    kind: ActionKind
    symbol: str
    new_symbol: str | None
    old_rate: Decimal | None
    new_rate: Decimal | None
    cash: Decimal | None
    effective_on: date
    process_on: date
    payable_on: date | None
    reason: str | None
    content: str

    @property
    def ratio(self) -> Decimal:
        """New shares for an old one; 1 where the number stays."""
        if self.old_rate is None or self.new_rate is None:
            return _ONE
        return self.new_rate / self.old_rate

    @property
    def symbol_after(self) -> str:
        """Of the shares that were held: what is given for them may have another one."""
        restated = self.new_symbol if self.kind in RESTATING else None
        return restated or self.symbol

    @property
    def is_understood(self) -> bool:
        """Whether its fields say what it does to a holding."""
        return self.reason is None and self.kind not in UNDECIDED

    @property
    def restates(self) -> bool:
        """Whether prices before it are of other shares than prices from it on."""
        return self.is_understood and self.kind in RESTATING and self.ratio != _ONE

    def refuses_entries_on(self, day: date) -> bool:
        """Whether its symbol is not to be bought that day, whoever holds it."""
        if self.is_understood and self.kind not in REFUSING:
            return False
        return self.effective_on - REFUSED_BEFORE <= day <= self.effective_on + REFUSED_AFTER

    def __str__(self) -> str:
        terms = "" if self.ratio == _ONE else f" {self.new_rate:f} for {self.old_rate:f}"
        becomes = "" if self.new_symbol is None else f", now {self.new_symbol}"
        paid = "" if self.cash is None else f", ${self.cash:f} a share"
        kind = self.kind.replace("_", " ")
        return f"{kind} of {self.symbol}{terms}{becomes}{paid} on {self.effective_on}"


def price_factor(
    actions: Iterable[CorporateAction], symbol: str, *, since: date, until: date
) -> Decimal:
    """What a price of the earlier day is multiplied by to be one of the later day's shares.

    A bar stays as it was paid; whoever compares prices of two days asks for this factor.
    """
    factor = _ONE
    for action in actions:
        within = since < action.effective_on <= until
        if action.symbol == symbol and action.restates and within:
            factor /= action.ratio
    return factor
