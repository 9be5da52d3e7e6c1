"""What is announced is stored as it was told, told of, and never breaks the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from functions.corporate_actions.handler import lambda_handler
from ops_local.database import DatabaseUrls
from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.bars import Jump
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages import corporate_actions as stage
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, rows
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench
from tests.support.fakes import FixedClock
from tests.support.stand_ins import in_process

DIVIDEND = CorporateAction(
    action_id="dividend-1",
    kind="cash_dividend",
    symbol="AAA",
    new_symbol=None,
    old_rate=None,
    new_rate=None,
    cash=Decimal("0.24"),
    effective_on=DAY_AFTER,
    process_on=DAY_AFTER + timedelta(days=20),
    payable_on=DAY_AFTER + timedelta(days=20),
    reason=None,
    content="{}",
)


@dataclass
class Feed:
    """Announces what a test says."""

    actions: list[CorporateAction] = field(default_factory=list)
    illegible: list[IllegibleItem] = field(default_factory=list)
    down: bool = False
    asked: list[tuple[list[str], date, date]] = field(default_factory=list)

    def announced(
        self, symbols: Sequence[str], first: date, last: date
    ) -> Listing[CorporateAction]:
        self.asked.append((list(symbols), first, last))
        if self.down:
            raise MarketDataUnavailable("no answer")
        return Listing(self.actions, self.illegible)


@pytest.fixture
def feed() -> Feed:
    return Feed([DIVIDEND])


def read(bench: TradingBench, feed: Feed | None) -> stage.Outcome:
    bench.clock.advance(60)
    return stage.run(
        TickRequest(tick=bench.tick), db=bench.db, feed=feed, clock=bench.clock, journal=bench.notes
    )


def stored(bench: TradingBench) -> list[tuple[str, bool]]:
    found = bench.rows("SELECT action_id, withdrawn_at FROM corporate_actions ORDER BY action_id")
    return [(row["action_id"], row["withdrawn_at"] is None) for row in found]


def test_what_is_watched_or_held_is_asked_for_and_what_is_held_is_told_of(
    held: TradingBench, feed: Feed
) -> None:
    outcome = read(held, feed)
    assert (outcome.announced, outcome.unclear, outcome.withdrawn) == (1, 0, 0)
    ((symbols, first, last),) = feed.asked
    assert "AAA" in symbols
    assert symbols == sorted(symbols)
    assert first < DAY_AFTER - timedelta(days=7)
    # Some are paid three months after their ex-date, and listed by that day.
    assert last > DAY_AFTER + timedelta(days=100)
    (alert,) = held.rows("SELECT kind, message FROM alerts WHERE resolved_at IS NULL")
    assert alert["kind"] == "corporate_action_announced"
    assert "cash dividend of AAA, $0.24 a share on 2026-02-05" in alert["message"]


def test_what_is_told_twice_is_one_row_and_what_is_told_no_more_is_withdrawn(
    bench: TradingBench, feed: Feed
) -> None:
    read(bench, feed)
    feed.actions = [replace(DIVIDEND, cash=Decimal("0.25"))]
    read(bench, feed)
    assert bench.rows("SELECT cash FROM corporate_actions") == [{"cash": Decimal("0.25")}]
    feed.actions = []
    assert read(bench, feed).withdrawn == 1
    assert stored(bench) == [("dividend-1", False)]
    feed.actions = [DIVIDEND]
    read(bench, feed)
    assert stored(bench) == [("dividend-1", True)]


def test_an_item_that_is_not_legible_alerts_and_costs_no_other_its_place(
    bench: TradingBench, feed: Feed
) -> None:
    read(bench, feed)
    feed.actions, odd = (
        [],
        IllegibleItem(kind="corporate_action", name="x1", reason="no symbol", content="{}"),
    )
    feed.illegible = [odd]
    assert read(bench, feed).illegible == 1
    # What is not told any more may be what could not be read.
    assert stored(bench) == [("dividend-1", True)]
    assert bench.alerts() == ["item_illegible"]
    feed.illegible = []
    read(bench, feed)
    assert bench.alerts() == []


def test_without_an_answer_what_is_known_stands(bench: TradingBench, feed: Feed) -> None:
    read(bench, feed)
    feed.down = True
    with pytest.raises(MarketDataUnavailable):
        read(bench, feed)
    assert stored(bench) == [("dividend-1", True)]
    assert read(bench, None).announced == 0


def test_a_symbol_that_changes_is_watched_as_before_and_keeps_its_names(
    bench: TradingBench, feed: Feed
) -> None:
    bench.run(
        "UPDATE tickers SET name = 'Acme', aliases = ARRAY['Acme Tools'] WHERE ticker = 'AAA'"
    )
    renaming = replace(DIVIDEND, action_id="n1", kind="name_change", new_symbol="BBB", cash=None)
    feed.actions = [renaming]
    assert read(bench, feed).renamed == 0
    bench.clock.advance(86_400)
    assert read(bench, feed).renamed == 1
    assert read(bench, feed).renamed == 0
    (row,) = bench.rows("SELECT * FROM tickers WHERE ticker = 'BBB'")
    assert (row["name"], row["aliases"], row["is_watched"]) == ("Acme", ["Acme Tools"], True)
    (row,) = bench.rows("SELECT * FROM tickers WHERE ticker = 'AAA'")
    assert (row["active"], row["is_watched"], row["renamed_to"]) == (False, False, "BBB")
    assert row["valid_to"] == DAY_AFTER


def test_a_symbol_that_has_no_place_in_the_list_is_left_as_it_is(
    bench: TradingBench, feed: Feed
) -> None:
    odd = replace(DIVIDEND, action_id="n2", kind="name_change", new_symbol="b.WS/1", cash=None)
    feed.actions = [replace(odd, effective_on=DAY_AFTER - timedelta(days=1)), DIVIDEND]
    assert (read(bench, feed).renamed, len(stored(bench))) == (0, 2)
    assert bench.rows("SELECT active FROM tickers WHERE ticker = 'AAA'") == [{"active": True}]


@pytest.mark.parametrize(("close", "held"), [("50.30", False), ("20.00", True)])
def test_a_jump_that_a_split_explains_holds_its_ticker_back_no_longer(
    bench: TradingBench, feed: Feed, close: str, *, held: bool
) -> None:
    (bar,) = bars_of("AAA", new_york_time(DAY, 9, 30), [close])
    with bench.db.transaction() as tx:
        assert telemetry.hold(tx, Jump(bar, Decimal(100), "a jump"), now=bench.clock.now())
    split = replace(DIVIDEND, action_id="s1", kind="forward_split", effective_on=DAY, cash=None)
    feed.actions = [replace(split, old_rate=Decimal(1), new_rate=Decimal(2))]
    assert read(bench, feed).explained == int(not held)
    assert read(bench, feed).explained == 0
    with bench.db.transaction() as tx:
        assert telemetry.halted_tickers(tx, DAY) == ({"AAA"} if held else set())


def test_a_tick_is_done_once(db: Database, database_urls: DatabaseUrls) -> None:
    bench = TradingBench(db)
    keys = ("KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER")
    variables = {"DATABASE_URL": database_urls.writer, "MARKET_DATA_VENDOR": "alpaca"}
    variables |= {f"ALPACA_{name}_{key}": "x" for name in ("LARGE", "TINY") for key in keys}
    bench.run("UPDATE tickers SET is_watched = false")
    with in_process(Runtime(variables, FixedClock(bench.clock.now()), owner="test")):
        event = {"tick": bench.tick.isoformat()}
        answers = [lambda_handler(event, None) for _ in range(2)]
    assert [answer["status"] for answer in answers] == ["run", "already_done"]
    assert rows(db, "SELECT 1 FROM corporate_actions") == []
