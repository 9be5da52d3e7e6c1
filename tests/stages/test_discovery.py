"""Proposals from news, volume and liquidity; what the operator decided always wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import news, tickers
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, Quotes
from ops_pipeline.domain.news.items import Classified, NewsItem, Publication, Sentiment, WaitingItem
from ops_pipeline.errors import InvalidInput, MarketDataUnavailable
from ops_pipeline.stages import discovery
from ops_pipeline.stages.operating import watching
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import rows
from tests.support.fakes import FakeMarketData, FixedClock

TICK = datetime(2026, 2, 4, 21, 15, tzinfo=UTC)
OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
CALM = Sentiment(positive=0.2, neutral=0.6, negative=0.2)


def tell(
    db: Database, ticker: str, stories: int, *, age: timedelta = timedelta(hours=2),
    mixed: bool = False, items_each: int = 1,
) -> None:  # fmt: skip
    """Store classified stories about a ticker."""
    at = TICK - age
    for number in range(stories):
        for copy in range(items_each):
            uid = f"{stable_uuid('test', ticker, number, copy).hex}{'0' * 32}"
            story = stable_uuid("story", ticker, number)
            item = NewsItem(
                uid, "Wire", "http://w.example/", "A line", None, None, None, None,
                Publication(at, None, at), at, "w.example",
            )  # fmt: skip
            with db.transaction() as tx:
                news.insert_items(tx, [item], {uid: story})
                verdict = _verdict(uid, story, at, ticker, mixed=mixed)
                news.save_classified(tx, [verdict], at)


def _verdict(uid: str, story: UUID, at: datetime, ticker: str, *, mixed: bool) -> Classified:
    waiting = WaitingItem(stable_uuid("news", uid), uid, story, at, "A line", None)
    return Classified(waiting, (ticker,), CALM, None, mixed, "test-1")


def busy(*names: str) -> FakeMarketData:
    """A session in which each traded $39 million, one bar a minute."""
    price = Decimal(100)
    bars = [
        Bar(name, OPEN + timedelta(minutes=n), price, price, price, price, 1_000)
        for name in names
        for n in range(390)
    ]
    return FakeMarketData(FixedClock(TICK), recorded_bars=bars)


def run(db: Database, market: FakeMarketData, *, dry_run: bool = False) -> discovery.Outcome:
    return discovery.run(
        TickRequest(tick=TICK, dry_run=dry_run),
        db=db,
        market_data=market,
        calendar=NyseCalendar(),
        clock=FixedClock(TICK),
    )


def proposals(db: Database) -> dict[str, str]:
    return {
        row["ticker"]: row["status"]
        for row in rows(db, "SELECT ticker, status FROM ticker_universe")
    }


def test_what_news_names_often_and_trades_well_is_proposed_with_reasons(db: Database) -> None:
    tell(db, "ZZZ", 6)
    assert run(db, busy("ZZZ")) == discovery.Outcome(named=1, traded=1, proposed=1)
    (row,) = rows(db, "SELECT * FROM ticker_universe")
    assert (row["ticker"], row["status"], row["proposed_at"]) == ("ZZZ", "PROPOSED", TICK)
    assert row["reasons"][0] == "6 stories in 3 days"
    assert rows(db, "SELECT 1 FROM tickers WHERE ticker = 'ZZZ' AND is_watched") == []


def test_a_story_counts_once_and_old_mixed_or_watched_ones_not_at_all(db: Database) -> None:
    tell(db, "ONCE", 2, items_each=5)
    tell(db, "OLD", 6, age=timedelta(days=4))
    tell(db, "BOTH", 6, mixed=True)
    tell(db, "AAPL", 6)
    assert run(db, busy("ONCE", "OLD", "BOTH", "AAPL")).named == 0


def test_one_without_bars_is_not_proposed(db: Database) -> None:
    tell(db, "ZZZ", 9)
    assert run(db, busy("AAPL")) == discovery.Outcome(named=1, traded=0, proposed=0)


def test_a_second_run_brings_an_open_proposal_up_to_date(db: Database) -> None:
    tell(db, "ZZZ", 5)
    run(db, busy("ZZZ"))
    before = rows(db, "SELECT score FROM ticker_universe")[0]["score"]
    tell(db, "ZZZ", 8)
    run(db, busy("ZZZ"))
    (row,) = rows(db, "SELECT score, reasons FROM ticker_universe")
    assert row["score"] > before
    assert row["reasons"][0] == "8 stories in 3 days"


@pytest.mark.parametrize("accepted", [True, False])
def test_what_the_operator_decided_is_never_proposed_again(db: Database, accepted: bool) -> None:
    tell(db, "ZZZ", 6)
    run(db, busy("ZZZ"))
    with db.transaction() as tx:
        watching.decide(tx, ["zzz"], accepted=accepted, operator="ann", reason="my list", now=TICK)
    assert run(db, busy("ZZZ")).named == 0
    assert proposals(db) == {"ZZZ": "ACCEPTED" if accepted else "REJECTED"}
    watched = rows(db, "SELECT 1 FROM tickers WHERE ticker = 'ZZZ' AND is_watched")
    assert len(watched) == int(accepted)
    (kept,) = rows(db, "SELECT operator, action, reason, details FROM operator_actions")
    assert kept == {
        "operator": "ann",
        "action": "watch" if accepted else "unwatch",
        "reason": "my list",
        "details": {"tickers": ["ZZZ"]},
    }


def test_a_watched_one_is_rejected_by_hand_without_a_proposal(db: Database) -> None:
    with db.transaction() as tx:
        watching.decide(tx, ["AAPL"], accepted=False, operator="ann", reason="no", now=TICK)
    assert rows(db, "SELECT is_watched FROM tickers WHERE ticker = 'AAPL'") == [
        {"is_watched": False}
    ]


@pytest.mark.parametrize(("symbol", "reason"), [("not one", "x"), ("AAPL", " "), ("GONE", "x")])
def test_an_odd_symbol_no_reason_or_one_that_trades_no_more_changes_nothing(
    db: Database, symbol: str, reason: str
) -> None:
    with db.transaction() as tx:
        tx.execute("INSERT INTO tickers (ticker, name, exchange, active)"
                   " VALUES ('GONE', 'Gone', 'OTC', false)")  # fmt: skip
    with pytest.raises(InvalidInput), db.transaction() as tx:
        watching.decide(tx, [symbol], accepted=True, operator="ann", reason=reason, now=TICK)
    assert proposals(db) == {}
    with db.transaction() as tx:
        assert tickers.search(tx, "GONE")[0]["is_watched"] is False


def test_without_market_data_nothing_is_proposed_and_the_failure_is_told(db: Database) -> None:
    tell(db, "ZZZ", 6)
    market = busy("ZZZ")
    market.down = True
    with pytest.raises(MarketDataUnavailable):
        run(db, market)
    assert proposals(db) == {}


def test_no_candidate_asks_for_no_bars(db: Database) -> None:
    market = busy()
    market.down = True
    assert run(db, market) == discovery.Outcome(named=0, traded=0, proposed=0)


@dataclass
class RefusesOne:
    """Market data that refuses a whole request for one symbol in it, as vendors do."""

    market: FakeMarketData
    refused: str
    requests: int = 0

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        self.requests += 1
        if self.refused in tickers:
            raise MarketDataUnavailable("invalid symbol")
        return self.market.bars(tickers, start, end)

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        return self.market.quotes(tickers)


def test_a_symbol_that_the_vendor_refuses_keeps_no_other_from_being_proposed(db: Database) -> None:
    names = ["ZZA", "ZZB", "ZZC", "ZZD", "ZZE"]
    for name in names:
        tell(db, name, 6)
    market = RefusesOne(busy(*names), "ZZC")
    outcome = discovery.run(
        TickRequest(tick=TICK),
        db=db,
        market_data=market,
        calendar=NyseCalendar(),
        clock=FixedClock(TICK),
    )
    assert (outcome.named, outcome.traded, outcome.proposed, outcome.failed) == (5, 4, 4, 1)
    assert "ZZC" not in proposals(db)
    assert market.requests <= 7
