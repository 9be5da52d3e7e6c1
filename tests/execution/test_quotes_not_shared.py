"""Sharing quotes is a saving: whatever fails in it, and however slow the vendor is, runs go on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import monotonic

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.market_data import quote_samples
from ops_pipeline.domain.market import Quotes, minute_of
from ops_pipeline.errors import LeaseLost, MarketDataUnavailable
from ops_pipeline.execution.market import shared_quotes
from ops_pipeline.execution.market.shared_quotes import SharedQuotes
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FakeMarketData


@dataclass
class Vendor(FakeMarketData):
    """Remembers what it was asked; hangs until it is released, or breaks as nobody foresaw."""

    requests: list[list[str]] = field(default_factory=list)
    hangs: bool = False
    breaks: bool = False
    released: Event = field(default_factory=Event)

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        self.requests.append(list(tickers))
        if self.hangs:
            self.released.wait(20)
        if self.breaks:
            raise UnicodeError("surrogates not allowed")
        return super().quotes(tickers)


@pytest.fixture
def vendor(bench: TradingBench) -> Iterator[Vendor]:
    vendor = Vendor(bench.clock)
    vendor.quote("AAA", "9.99", "10.01")
    yield vendor
    vendor.released.set()


def shared(bench: TradingBench, vendor: Vendor) -> SharedQuotes:
    return SharedQuotes(bench.db, vendor, bench.clock, bench.notes, "iex")


@pytest.mark.parametrize("table", ["quote_fetches", "quote_samples"])
def test_a_table_that_is_locked_costs_a_run_one_wait(
    bench: TradingBench, vendor: Vendor, owner_db: Database, table: str
) -> None:
    reader = shared(bench, vendor)
    began = monotonic()
    with owner_db.transaction() as tx:
        tx.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        assert set(reader.quotes(["AAA"])) == {"AAA"}
        assert set(reader.quotes(["AAA"])) == {"AAA"}
    assert monotonic() - began < 8
    assert vendor.requests == [["AAA"], ["AAA"]]
    assert len(bench.notes.of("quotes_not_shared")) == 1


def test_a_run_that_froze_while_it_claimed_the_minute_stops_no_other(
    bench: TradingBench, vendor: Vendor, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        quote_samples.claim(tx, minute_of(bench.clock.now()), now=bench.clock.now())
        tx.flush()
        assert set(shared(bench, vendor).quotes(["AAA"])) == {"AAA"}


@pytest.mark.parametrize(
    "step", ["claim", "is_done", "newest", "note_done", "store", "wanted_symbols"]
)
def test_each_step_of_sharing_may_fail(
    bench: TradingBench, vendor: Vendor, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step == "is_done":
        with bench.db.transaction() as tx:
            quote_samples.claim(tx, minute_of(bench.clock.now()), now=bench.clock.now())

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(step)

    monkeypatch.setattr(quote_samples, step, fail)
    assert set(shared(bench, vendor).quotes(["AAA"])) == {"AAA"}
    (note,) = bench.notes.of("quotes_not_shared")
    assert step in str(note["error"])


def test_a_lease_that_was_lost_ends_the_run(
    bench: TradingBench, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise LeaseLost("another run has it")

    monkeypatch.setattr(quote_samples, "newest", lose)
    with pytest.raises(LeaseLost):
        shared(bench, vendor).quotes(["AAA"])


def test_a_vendor_that_hangs_costs_a_run_its_patience_once(
    bench: TradingBench, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_quotes, "PATIENCE_S", 0.5)
    vendor.hangs = True
    reader, began = shared(bench, vendor), monotonic()
    for _ in range(3):
        with pytest.raises(MarketDataUnavailable):
            reader.quotes(["AAA"])
    assert monotonic() - began < 3
    assert len(vendor.requests) == 1


def test_an_error_that_nobody_foresaw_is_no_quote_and_no_end_of_the_run(
    bench: TradingBench, vendor: Vendor
) -> None:
    vendor.breaks = True
    with pytest.raises(MarketDataUnavailable, match="surrogates not allowed"):
        shared(bench, vendor).quotes(["AAA"])
