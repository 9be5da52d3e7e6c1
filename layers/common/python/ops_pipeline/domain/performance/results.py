"""What performance is measured on: sessions of an account, and its completed trades."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One session of one account.

    Money that was paid in or out is no result: it changes `opening_equity` of the next session.

    Attributes:
        opening_equity: Before the open, USD.
        pnl: Realised and unrealised, after costs, USD.
    """

    day: date
    opening_equity: Decimal
    pnl: Decimal

    @property
    def simple_return(self) -> float:
        """The result over the equity that it was earned on.

        Raises:
            ValueError: there was no equity to earn it on.
        """
        if self.opening_equity <= 0:
            raise ValueError(f"opening_equity of {self.day} is {self.opening_equity}, expected > 0")
        return float(self.pnl / self.opening_equity)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """One completed trade: from its first fill to its last.

    Attributes:
        entered_at, exited_at: First and last fill, UTC.
        notional: Entry cost, USD.
        pnl: Sold less bought, before costs, USD.
        costs: Fees, USD, >= 0.
        r_multiple: Result a share over the first stop's distance; None without a stop.
        mae_pct, mfe_pct: Furthest mid under and over the entry, percent; None: never marked.
        traits: What it can be grouped by, such as exit_rule or sentiment; values as text.
    """

    account: str
    ticker: str
    entered_at: datetime
    exited_at: datetime
    notional: Decimal
    pnl: Decimal
    costs: Decimal = Decimal(0)
    r_multiple: float | None = None
    mae_pct: float | None = None
    mfe_pct: float | None = None
    traits: tuple[tuple[str, str], ...] = ()

    @property
    def net(self) -> Decimal:
        return self.pnl - self.costs

    @property
    def net_bps(self) -> float:
        """Net result in basis points of the entry cost."""
        return float(self.net / self.notional) * 10_000

    @property
    def minutes(self) -> float:
        return (self.exited_at - self.entered_at).total_seconds() / 60

    def trait(self, name: str) -> str:
        """The trait's value, "unknown" if the trade does not tell."""
        return dict(self.traits).get(name, "unknown")
