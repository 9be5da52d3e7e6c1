"""What is proposed for watching, on which figures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.discovery import MOST_PROPOSALS, Named, Traded, propose, traded
from ops_pipeline.domain.market import Bar

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
BUSY = Traded(dollar_volume=5e7, traded_share=1.0)


def bar(minute: int, close: str, volume: int) -> Bar:
    price = Decimal(close)
    return Bar("ZZZ", OPEN + timedelta(minutes=minute), price, price, price, price, volume)


def test_a_session_is_what_its_bars_traded_and_how_steadily() -> None:
    found = traded([bar(0, "10", 100), bar(1, "20", 50), bar(5, "20", 0), bar(6, "NaN", 9)], 4)
    assert (found.dollar_volume, found.traded_share) == (2_000, 0.5)


def test_a_proposal_says_why() -> None:
    (one,) = propose([Named("ZZZ", 5)], {"ZZZ": BUSY})
    assert one.reasons == (
        "5 stories in 3 days",
        "$50.0 million traded in the last session",
        "a trade in 100% of its minutes",
    )
    assert one.score == pytest.approx(0.5 * 0.5 + 0.3 * 0.8495 + 0.2, abs=1e-3)


@pytest.mark.parametrize(
    ("stories", "session"),
    [
        (2, BUSY),
        (10, None),
        (10, Traded(dollar_volume=9e5, traded_share=1.0)),
        (10, Traded(dollar_volume=0, traded_share=0)),
        (10, Traded(dollar_volume=5e7, traded_share=0.4)),
        (3, Traded(dollar_volume=2e6, traded_share=0.6)),
    ],
)
def test_few_stories_thin_trade_or_no_bars_are_not_proposed(
    stories: int, session: Traded | None
) -> None:
    assert propose([Named("ZZZ", stories)], {"ZZZ": session} if session else {}) == []


def test_the_best_come_first_and_only_so_many() -> None:
    named = [Named(f"T{chr(65 + n)}", 3 + n % 5) for n in range(26)]
    found = propose(named, {one.ticker: BUSY for one in named})
    assert len(found) == MOST_PROPOSALS
    assert [one.ticker for one in found[:5]] == ["TE", "TJ", "TO", "TT", "TY"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
