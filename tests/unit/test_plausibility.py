"""Which quotes are believed: by spread, sizes, distance and age."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.market import Quote, Trade, new_york_time
from ops_pipeline.domain.parameters import PriceRules
from ops_pipeline.domain.prices.plausibility import Evidence, JudgedQuote, judge
from tests.support.fakes import regular_session

DAY = date(2026, 2, 4)
NOON = new_york_time(DAY, 12)
OPENING = new_york_time(DAY, 9, 32)
RULES = PriceRules()


def quote(bid: str, ask: str, *, symbol: str = "AAA", age_s: float = 0, size: int = 100) -> Quote:
    seen = NOON - timedelta(seconds=age_s)
    return Quote(symbol, seen, Decimal(bid), size, Decimal(ask), size)


def evidence(price: str, *, age_s: float = 60, source: str = "bar") -> Evidence:
    return Evidence(Decimal(price), NOON - timedelta(seconds=age_s), source)  # type: ignore[arg-type]  # one of three


def judged(seen: Quote, *known: Evidence) -> JudgedQuote:
    return judge(seen, known, now=NOON, session=regular_session(DAY), rules=RULES, most_age_s=60)


def doubt(seen: Quote, *known: Evidence) -> str | None:
    found = judged(seen, *known).doubt
    return None if found is None else found.kind


@pytest.mark.parametrize(
    ("bid", "ask", "why"),
    [
        ("99.98", "100.02", None),
        ("99.75", "100.25", None),
        ("99.75", "100.26", "spread"),
        ("60", "100.02", "spread"),
        ("0.01", "100.02", "spread"),
        ("99.98", "150", "spread"),
        ("99.98", "102.50", "spread"),
        ("99.98", "130", "spread"),
        ("183.05", "198", "spread"),
        ("0", "100", "one_sided"),
        ("100.02", "99.98", "one_sided"),
        # A cheap share is a cent or two wide, which is many basis points.
        ("1.50", "1.52", None),
        ("1.50", "1.53", "spread"),
        ("0.5000", "0.5025", None),
        ("0.5000", "0.5026", "spread"),
    ],
)
def test_a_quote_is_believed_within_the_spread_of_its_price(
    bid: str, ask: str, why: str | None
) -> None:
    assert doubt(quote(bid, ask)) == why


def test_in_the_first_minutes_and_outside_the_session_spreads_may_be_twice_as_wide() -> None:
    wide, session = quote("99.50", "100.50"), regular_session(DAY)
    for now, believed in (
        (session.opens_at, True),
        (session.opens_at + timedelta(minutes=5), False),
        (session.closes_at - timedelta(minutes=1), False),
        (session.closes_at, True),
    ):
        found = judge(wide, [], now=now, session=session, rules=RULES, most_age_s=10**9)
        assert found.believed is believed


@pytest.mark.parametrize(
    ("price", "age_s", "why"),
    [
        ("100.00", 60, None),
        ("101.52", 120, None),
        ("101.53", 120, "distance"),
        ("98.53", 0, None),
        ("98.52", 0, "distance"),
        # Four times as old, twice as far.
        ("103.05", 480, None),
        ("103.11", 480, "distance"),
        # Too old to say anything.
        ("50.00", 1801, None),
    ],
)
def test_a_mid_is_near_the_last_bar(price: str, age_s: float, why: str | None) -> None:
    assert doubt(quote("99.99", "100.01"), evidence(price, age_s=age_s)) == why


def test_one_of_bar_and_trade_is_enough() -> None:
    seen = quote("94.99", "95.01")
    bar, trade = evidence("100"), Evidence.of_trade(Trade("AAA", NOON, Decimal("95.02")))
    assert doubt(seen, bar) == "distance"
    assert doubt(seen, bar, trade) is None
    assert judged(seen, bar, trade).anchor == Decimal("95.02")


def test_a_trade_that_a_later_bar_has_overtaken_vouches_for_nothing() -> None:
    seen, bar = quote("59.98", "60.02"), evidence("100", age_s=10)
    assert doubt(seen, bar, evidence("60", age_s=11, source="trade")) == "distance"
    assert doubt(seen, bar, evidence("60", age_s=10, source="trade")) is None


def test_an_earlier_quote_counts_until_something_is_traded() -> None:
    seen = quote("94.99", "95.01")
    earlier = evidence("95.03", age_s=60, source="quote")
    assert doubt(seen, evidence("100", age_s=61), earlier) is None
    assert doubt(seen, evidence("100", age_s=59), earlier) == "distance"


def test_a_quote_is_no_evidence_for_itself() -> None:
    seen = quote("94.99", "95.01", age_s=60)
    assert doubt(seen, evidence("100"), evidence("95", age_s=60, source="quote")) == "distance"


def test_sizes_and_age_count_too() -> None:
    assert doubt(quote("99.98", "100.00", size=0)) == "size"
    assert doubt(quote("99.98", "100.00", age_s=60)) is None
    assert doubt(quote("99.98", "100.00", age_s=61)) == "stale"


def test_what_is_dated_ahead_of_the_clock_says_nothing() -> None:
    year_s = 365 * 86_400
    assert doubt(quote("99.98", "100.00", age_s=-60)) is None
    for ahead_s in (61, year_s):
        assert doubt(quote("99.98", "100.00", age_s=-ahead_s)) == "stale"
        # A trade of next year vouches for no odd quote, and overtakes no bar.
        odd = evidence("80", age_s=-ahead_s, source="trade")
        assert doubt(quote("79.99", "80.01"), odd, evidence("100")) == "distance"
        assert doubt(quote("99.99", "100.01"), odd, evidence("100", source="trade")) is None


def test_a_contract_may_be_wider() -> None:
    contract = "SPY260220C00500000"
    assert doubt(quote("2.00", "2.40", symbol=contract)) is None
    assert doubt(quote("2.00", "2.60", symbol=contract)) == "spread"


def test_what_is_recent_may_confirm_a_stop() -> None:
    found = judged(
        quote("99.98", "100.00"),
        evidence("100.10", age_s=180),
        evidence("100.20", age_s=181, source="trade"),
    )
    assert found.witnesses == (Decimal("100.10"),)


@pytest.mark.parametrize(
    ("anchor", "buy", "sell"),
    [
        (None, "100.10", "99.79"),
        ("100.00", "100.10", "99.79"),
        ("98.90", "99.88", "99.79"),
        ("103.50", "100.10", "100.40"),
    ],
)
def test_a_limit_stays_within_the_collar_around_what_vouches_for_the_quote(
    anchor: str | None, buy: str, sell: str
) -> None:
    seen = quote("99.99", "100.00")
    found = JudgedQuote(seen, None, None if anchor is None else Decimal(anchor), ())
    assert found.limit("buy", 0.001, 0.01) == Decimal(buy)
    assert found.limit("sell", 0.002, 0.03) == Decimal(sell)


@given(
    bid=st.decimals("0.01", 1_000, places=2),
    ask=st.decimals("0.01", 1_000, places=2),
    bar=st.decimals("0.01", 1_000, places=2),
)
def test_no_believed_quote_moves_a_mark_far_from_the_market(
    bid: Decimal, ask: Decimal, bar: Decimal
) -> None:
    seen = Quote("AAA", NOON, bid, 1, ask, 1)
    found = judged(seen, evidence(str(bar)))
    if found.believed:
        assert abs(seen.mid - bar) <= max(bar * Decimal("0.015"), Decimal("0.02"))
        assert found.limit("sell", 0.002, 0.03) >= bar * Decimal("0.97")
        assert found.limit("buy", 0.001, 0.01) <= bar * Decimal("1.01")
