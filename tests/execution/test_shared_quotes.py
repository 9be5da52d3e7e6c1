"""Quotes are fetched once a minute for all accounts, and shared while they are fresh."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Barrier, Thread

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.market_data import quote_samples
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quotes, minute_of
from ops_pipeline.domain.prices.sharing import SHARED_AGE_S
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.market import shared_quotes
from ops_pipeline.execution.market.shared_quotes import SharedQuotes
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FakeMarketData


@dataclass
class Asked(FakeMarketData):
    """Remembers what it was asked; refuses what it is told to."""

    requests: list[list[str]] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        self.requests.append(list(tickers))
        if self.refuses & set(tickers):
            raise MarketDataUnavailable("500: not these")
        return super().quotes(tickers)


@pytest.fixture
def vendor(bench: TradingBench) -> Asked:
    vendor = Asked(bench.clock)
    vendor.quote("AAA", "9.99", "10.01")
    vendor.quote("BBB", "19.99", "20.01")
    return vendor


@pytest.fixture
def fresh_logins(database_urls: DatabaseUrls) -> Iterator[list[Database]]:
    """A connection each for five runs at the same time."""
    with ExitStack() as stack:
        target = target_from_url(database_urls.writer)
        yield [
            stack.enter_context(closing(Database(target, application_name="tests")))
            for _ in range(5)
        ]


def shared(bench: TradingBench, vendor: Asked, db: Database | None = None) -> SharedQuotes:
    return SharedQuotes(db or bench.db, vendor, bench.clock, bench.notes, "iex")


def test_what_is_held_pending_or_watched_in_any_account_is_one_request(
    bench: TradingBench, vendor: Asked
) -> None:
    bench.quote("BBB", "19.99", "20.01")
    bench.buy("BBB")
    bench.quote("CCC")
    bench.recommend("CCC", account="tiny")
    found = shared(bench, vendor).quotes(["AAA"])
    assert set(found) == {"AAA"}
    assert vendor.requests == [["AAA", "BBB", "CCC"]]
    again = shared(bench, vendor).quotes(["BBB", "CCC"])
    assert again["BBB"].bid == Decimal("19.99")
    # Nobody quotes CCC: that is known too, and not asked for again.
    assert "CCC" not in again
    assert len(vendor.requests) == 1


def test_what_is_shared_is_what_was_told(bench: TradingBench, vendor: Asked) -> None:
    vendor.trade("AAA", "10.00")
    odd = IllegibleItem(kind="quote", name="BBB", reason="no number", content="{}", symbol="BBB")
    vendor.illegible = [odd]
    told = shared(bench, vendor).quotes(["AAA", "BBB"])
    kept = shared(bench, vendor).quotes(["AAA", "BBB"])
    assert (dict(told), told.trades) == (dict(kept), kept.trades)
    assert told.illegible == (odd,)
    assert [(it.symbol, it.reason) for it in kept.illegible] == [("BBB", "no number")]
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(("age_s", "requests"), [(SHARED_AGE_S, 1), (SHARED_AGE_S + 1, 2)])
def test_a_sample_that_is_too_old_is_asked_for_directly(
    bench: TradingBench, vendor: Asked, age_s: int, requests: int
) -> None:
    bench.clock.at = minute_of(bench.clock.now())
    shared(bench, vendor).quotes(["AAA", "BBB"])
    bench.clock.advance(age_s)
    vendor.quote("AAA", "10.49", "10.51")
    found = shared(bench, vendor).quotes(["AAA"])
    assert len(vendor.requests) == requests
    assert found["AAA"].bid == Decimal("9.99" if requests == 1 else "10.49")
    assert vendor.requests[1:] == [["AAA"]][: requests - 1]


def test_a_new_minute_is_fetched_anew(bench: TradingBench, vendor: Asked) -> None:
    shared(bench, vendor).quotes(["AAA"])
    bench.clock.advance(60)
    vendor.quote("AAA", "10.49", "10.51")
    assert shared(bench, vendor).quotes(["AAA"])["AAA"].bid == Decimal("10.49")


def test_another_account_s_symbol_costs_no_account_its_own(
    bench: TradingBench, vendor: Asked
) -> None:
    bench.quote("CCC")
    bench.recommend("CCC", account="tiny")
    vendor.refuses = frozenset({"CCC"})
    assert set(shared(bench, vendor).quotes(["AAA"])) == {"AAA"}
    with pytest.raises(MarketDataUnavailable, match="not these"):
        shared(bench, vendor).quotes(["CCC"])


def test_accounts_that_start_together_share_one_request(
    bench: TradingBench, vendor: Asked, fresh_logins: list[Database]
) -> None:
    start, found = Barrier(len(fresh_logins)), list[Quotes]()

    def ask(db: Database) -> None:
        start.wait()
        found.append(shared(bench, vendor, db).quotes(["AAA"]))

    threads = [Thread(target=ask, args=(db,)) for db in fresh_logins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(each) for each in found] == [{"AAA"}] * len(fresh_logins)
    assert len(vendor.requests) == 1


def test_a_run_that_died_while_it_fetched_keeps_the_others_for_two_seconds_at_most(
    bench: TradingBench, vendor: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(shared_quotes, "sleep", waits.append)
    with bench.db.transaction() as tx:
        quote_samples.claim(tx, minute_of(bench.clock.now()), now=bench.clock.now())
    assert set(shared(bench, vendor).quotes(["AAA"])) == {"AAA"}
    assert len(waits) == 20
    assert sum(waits) == pytest.approx(2.0)
    assert vendor.requests == [["AAA"]]


def test_a_run_that_cannot_share_has_its_quotes_all_the_same(
    bench: TradingBench, vendor: Asked
) -> None:
    vendor.illegible = [
        IllegibleItem(kind="quote", name="BBB", reason="a\x00", content="", symbol="BBB")
    ]
    assert set(shared(bench, vendor).quotes(["AAA", "BBB"])) == {"AAA"}
