"""docs/extending.md: what it walks through is what examples/ hold, and it trades."""

import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from examples import csv_bars, toy_broker
from examples.toy_desk import DeskSilent, ToyDesk
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import AccountMismatch, SettingsInvalid
from ops_pipeline.runtime import registry
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.account_binding import BindCommand
from tests.conftest import ROOT
from tests.support.builders_trading import TradingBench

PAGE = ROOT / "docs" / "extending.md"
SOURCES = [
    *(ROOT / "examples").glob("*.py"),
    ROOT / "tests" / "contract" / "test_broker_contract.py",
    ROOT / "tests" / "contract" / "test_market_data_contract.py",
]


@pytest.fixture(autouse=True)
def _registered_for_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_brokers", dict(registry._brokers))
    monkeypatch.setattr(registry, "_bar_vendors", dict(registry._bar_vendors))


@pytest.fixture
def bench(db: Database) -> TradingBench:
    return TradingBench(db)


@pytest.fixture
def desk(bench: TradingBench) -> ToyDesk:
    desk = ToyDesk(bench.clock.now)
    desk.quote("AAA", "99.98", "100.00")
    return desk


@pytest.fixture
def runtime(database_urls: DatabaseUrls, bench: TradingBench, desk: ToyDesk) -> Iterator[Runtime]:
    """A process that knows the toy broker, with the keys of one account there."""
    toy_broker.register(lambda key_id, secret_key: desk)
    bench.set_account(broker="toy", execution_mode="TOY_PAPER")
    keys = {"TOY_LARGE_KEY_ID": "k", "TOY_LARGE_SECRET_KEY": "s"}
    variables = {"DATABASE_URL": database_urls.writer, "TOY_LARGE_ACCOUNT_NUMBER": desk.number}
    with closing(Runtime({**variables, **keys}, bench.clock)) as runtime:
        yield runtime


def bound(runtime: Runtime) -> None:
    wish = BindCommand(operator="anna", reason="a new broker", account="large", confirm=True)
    (row,) = runtime.binder.run(wish)["accounts"]
    assert (row["broker"], row["mode"], row["state"]) == ("toy", "TOY_PAPER", "bound")


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
def test_each_piece_of_code_on_the_page_stands_in_a_file_that_runs(block: str) -> None:
    assert any(block in source.read_text() for source in SOURCES), block


def test_an_account_at_the_toy_broker_buys_is_guarded_and_sells(
    runtime: Runtime, bench: TradingBench, desk: ToyDesk
) -> None:
    bound(runtime)
    bench.connect("large", runtime.broker("large", "toy"))
    bench.recommend()
    bench.dispatch()
    bench.next_minute()
    bench.guard()

    assert [(t["way"], t["kind"], t["state"]) for t in desk.tickets] == [
        ("B", "LIMIT", "DONE"),
        ("S", "STOP", "OPEN"),
    ]
    position = bench.position()
    assert (position["status"], position["quantity"]) == ("open", desk.tickets[0]["count"])
    execution = bench.rows("SELECT execution_mode FROM dispatch_executions")
    assert execution == [{"execution_mode": "TOY_PAPER"}]

    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    (history,) = bench.rows("SELECT execution_mode, verified, exit_price FROM position_history")
    assert history == {
        "execution_mode": "TOY_PAPER", "verified": True, "exit_price": Decimal("99.98")
    }  # fmt: skip
    assert desk.tickets[1]["state"] == "PULLED"
    assert bench.alerts() == []


def test_an_order_that_the_toy_broker_did_not_answer_is_looked_up_and_sent_once(
    runtime: Runtime, bench: TradingBench, desk: ToyDesk
) -> None:
    bound(runtime)
    bench.connect("large", runtime.broker("large", "toy"))
    bench.recommend()
    place = desk.place

    def silent_once(ticket: dict[str, object]) -> dict[str, object]:
        desk.silent, desk.place = DeskSilent(heard=True), place  # type: ignore[method-assign]
        return place(ticket)

    desk.place = silent_once  # type: ignore[method-assign]  # no answer, and the order is there
    bench.dispatch()
    assert bench.order()["status"] == "unknown"

    bench.next_minute()
    bench.dispatch()

    assert bench.order()["status"] == "filled"
    assert len(desk.tickets) == 1


def test_a_word_that_the_toy_adapter_does_not_know_breaks_no_read(
    runtime: Runtime, bench: TradingBench, desk: ToyDesk
) -> None:
    bound(runtime)
    bench.connect("large", runtime.broker("large", "toy"))
    desk.quote("AAA", "0", "0")
    bench.recommend()
    bench.dispatch()
    desk.tickets[0]["state"] = "PONDERING"
    bench.guard()
    assert bench.order()["status"] == "accepted"
    assert "broker_status_unknown" in bench.alerts()


def test_another_customer_s_desk_is_refused(
    runtime: Runtime, bench: TradingBench, desk: ToyDesk
) -> None:
    bound(runtime)
    desk.number = "TOY-000043"
    with pytest.raises(AccountMismatch):
        runtime.broker("large", "toy").positions()


def test_bars_of_the_csv_vendor_come_by_its_name(
    database_urls: DatabaseUrls, bench: TradingBench
) -> None:
    csv_bars.register()
    file = ROOT / "examples" / "bars.csv"
    chosen = {"DATABASE_URL": database_urls.writer, "MARKET_DATA_VENDOR": "csv"}
    with closing(Runtime({**chosen, "CSV_BARS": str(file)}, bench.clock)) as runtime:
        assert runtime.data_feed == "csv_file"
        day = bench.clock.now().replace(hour=14, minute=30)
        assert len(runtime.market_data.bars(["MSFT"], day, day.replace(hour=15))) == 60
    with (
        closing(Runtime(chosen, bench.clock)) as runtime,
        pytest.raises(SettingsInvalid, match="CSV_BARS"),
    ):
        _ = runtime.market_data


def test_the_page_names_every_file_that_a_new_adapter_touches() -> None:
    for name in re.findall(r"\]\(\.\./([^)#]+)", PAGE.read_text()):
        assert Path(ROOT, name).exists(), name
