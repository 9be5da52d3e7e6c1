"""What every bar vendor's adapter does: Alpaca's at the paper exchange, a CSV's, the stand-in's.

A new adapter gets a fixture below and its name in VENDORS; docs/extending.md walks through one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from examples.csv_bars import CsvBars
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.ports import MarketData
from tests.contract.paper_street import LARGE, Minute, at, open_exchange
from tests.support.builders_market import bars_of
from tests.support.fakes import FakeMarketData, FixedClock
from tests.support.stand_ins import NOWHERE

FROM, UNTIL = at("10:14"), at("10:16")


@dataclass(frozen=True)
class Vendor:
    """A vendor whose AAA closed at 10 in 10:14 and at 10.4 in 10:15, and went on at 10:16.

    Attributes:
        down: The same vendor out of reach, or with an answer that makes no sense.
    """

    data: MarketData
    down: Callable[[], MarketData]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    changes = {("AAA", "10:15"): Minute(bid="10.40", ask="10.41")}
    with open_exchange(tmp_path_factory.mktemp("data"), changes) as running:
        running.set_clock(at("10:31"))
        yield running


@pytest.fixture
def alpaca(exchange: RunningExchange) -> Vendor:
    def adapter(url: str) -> AlpacaMarketData:
        return AlpacaMarketData(
            url=url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed="iex"
        )

    return Vendor(adapter(exchange.url), lambda: adapter(NOWHERE))


@pytest.fixture
def csv(tmp_path: Path) -> Vendor:
    file, odd = tmp_path / "bars.csv", tmp_path / "odd.csv"
    header = "ticker,time,open,high,low,close,volume\n"
    closes = [("10:14", "10.0"), ("10:15", "10.4"), ("10:16", "10.0")]
    lines = [f"AAA,2013-10-07 {time},{c},{c},{c},{c},500\n" for time, c in closes]
    file.write_text(header + "".join(lines))
    odd.write_text(header + "AAA,half past ten,1,1,1,1,1\n")
    return Vendor(CsvBars(file), lambda: CsvBars(odd))


@pytest.fixture
def memory() -> Vendor:
    bars = bars_of("AAA", FROM, ["10.0", "10.4", "10.0"])
    clock = FixedClock(at("10:31"))
    return Vendor(FakeMarketData(clock, bars), lambda: FakeMarketData(clock, bars, down=True))


VENDORS = ["alpaca", "csv", "memory"]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return cast("Vendor", request.getfixturevalue(request.param))


def test_bars_come_with_their_start_included_and_their_end_excluded(vendor: Vendor) -> None:
    found = vendor.data.bars(["AAA"], FROM, UNTIL)
    assert [(bar.ts, bar.close) for bar in sorted(found, key=lambda bar: bar.ts)] == [
        (FROM, Decimal("10.0")),
        (FROM + timedelta(minutes=1), Decimal("10.4")),
    ]
    assert {bar.ts.tzinfo for bar in found} == {UTC}


def test_nothing_lies_between_a_moment_and_itself(vendor: Vendor) -> None:
    assert vendor.data.bars(["AAA"], FROM, FROM) == []


def test_a_ticker_that_nobody_knows_is_left_out(vendor: Vendor) -> None:
    assert vendor.data.bars(["NOBODY"], FROM, UNTIL) == []
    assert "NOBODY" not in vendor.data.quotes(["NOBODY"])


def test_an_error_is_never_an_empty_answer(vendor: Vendor) -> None:
    with pytest.raises(MarketDataUnavailable):
        vendor.down().bars(["AAA"], FROM, UNTIL)
    with pytest.raises(MarketDataUnavailable):
        vendor.down().quotes(["AAA"])
