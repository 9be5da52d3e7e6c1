"""Whether a bar is believed: the care that quotes get, for what features and stops read.

A bar that is far from the one before it is believed once something else says the same: the bar
after it, a quote that is believed, or a trade. Until then it is kept aside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from ops_pipeline.domain.market import MINUTE, Bar, Session
from ops_pipeline.domain.parameters import PriceRules, TelemetryRules
from ops_pipeline.domain.prices.plausibility import Evidence

# One reason, so that a bar that is asked for again is kept aside once.
FAR_OFF = "its close is far from the bars beside it, and nothing else says the same"


@dataclass(frozen=True, slots=True)
class BarVerdicts:
    """The bars of one fetch, each sorted by ticker and minute.

    Attributes:
        doubted: To be kept aside; they come again while they are asked for.
    """

    believed: tuple[Bar, ...]
    doubted: tuple[Bar, ...]


def judge_bars(
    bars: Iterable[Bar],
    before: Mapping[str, Evidence],
    others: Mapping[str, Sequence[Evidence]],
    *,
    session: Session | None,
    prices: PriceRules,
    jumps: TelemetryRules,
) -> BarVerdicts:
    """Part the bars that are believed from those that nothing bears out.

    A close that jumps further than `jumps` allows is stored, and its ticker held back.

    Args:
        bars: Sound ones, sorted by ticker and minute.
        before: The close before each ticker's first bar; one that is too old says nothing.
        others: What quotes that are believed and trades say of a ticker now.
        session: Today's; its first minutes have wider bounds.
    """
    believed, doubted = list[Bar](), list[Bar]()
    far = _Far(
        session, prices, Decimal(str(jumps.jump_fraction)), Decimal(str(prices.bar_distance))
    )
    for ticker, run in groupby(bars, key=attrgetter("ticker")):
        its = list(run)
        known = before.get(ticker)
        for bar, after in zip(its, [*its[1:], None], strict=True):
            witnesses = [*([Evidence.of_bar(after)] if after else []), *others.get(ticker, ())]
            odd = known is not None and far.apart(bar, known)
            if odd and not any(far.bears_out(bar, it) for it in witnesses):
                doubted.append(bar)
                continue
            believed.append(bar)
            known = Evidence.of_bar(bar)
    return BarVerdicts(tuple(believed), tuple(doubted))


@dataclass(frozen=True, slots=True)
class _Far:
    """How far a bar may be off another price, growing with the root of the time between them."""

    session: Session | None
    rules: PriceRules
    jump: Decimal
    base: Decimal

    def bears_out(self, bar: Bar, witness: Evidence) -> bool:
        """Whether it is another price than the bar's own, of about its time, and says the same.

        A trade within the bar's minute is part of the bar.
        """
        its_own = witness.source == "trade" and witness.at < bar.ends_at
        later_s = (witness.at - bar.ts).total_seconds()
        return (not its_own and 0 <= later_s <= self.rules.evidence_age_s) and not self.apart(
            bar, witness
        )

    def apart(self, bar: Bar, other: Evidence) -> bool:
        """Whether they contradict each other; False where they lie too long apart to do so."""
        between_s = abs((bar.ends_at - other.at).total_seconds())
        if between_s > self.rules.evidence_age_s:
            return False
        off = abs(bar.close / other.price - 1)
        if off <= self.base:
            return False
        share = Decimal(str(self.rules.bar_distance * max(between_s / 60, 1.0) ** 0.5))
        return share * self._factor(bar) < off <= self.jump

    def _factor(self, bar: Bar) -> Decimal:
        if self.session is None or not self.session.is_open(bar.ts):
            return Decimal(str(self.rules.opening_factor))
        settled = self.session.opens_at + self.rules.opening_minutes * MINUTE
        return Decimal(1) if bar.ts >= settled else Decimal(str(self.rules.opening_factor))
