"""When a bar is too old to decide on: a minute in which nobody traded is no staleness by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.parameters import GateRules


@dataclass(frozen=True, slots=True)
class BarCoverage:
    """What is known of a ticker's missing minutes.

    Attributes:
        asked_until: Up to when the ticker's minutes were asked for and answered.
        market_until: The end of the newest bar of any ticker.
    """

    asked_until: datetime | None
    market_until: datetime | None


UNCOVERED = BarCoverage(None, None)


def bar_age_limit_s(coverage: BarCoverage, now: datetime, rules: GateRules) -> int:
    """How old the ticker's newest bar may be, seconds from the end of its minute.

    A missing minute means that nobody traded while the feed is known to live: this ticker's
    minutes were answered up to now, and another ticker's bar is of now. The bound was chosen by
    the gaps of one venue (decision 67).
    """
    oldest = now - timedelta(seconds=rules.bar_age_s)
    known = (coverage.asked_until, coverage.market_until)
    lives = all(until is not None and until >= oldest for until in known)
    return max(rules.bar_age_s, rules.thin_bar_age_s) if lives else rules.bar_age_s
