"""What happens in each scenario: the market, the recommendations, an operator's hand.

Two accounts, quotes of 10.00 x 10.02; the first tick is 11:00. Market sizes decide what
fills at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.domain.market import NEW_YORK
from tests.contract.paper_street import Minute
from tests.support.builders_trading import DAY, ELEVEN, TradingBench

PLENTY = Minute(size=5000, volume=50_000)
SCARCE = Minute(size=100, volume=500)


@dataclass(frozen=True)
class Scenario:
    """One story, told by its market.

    Attributes:
        market: What AAA shows at a tick; `PLENTY` where nothing is said.
        minutes: How many ticks until nothing moves any more.
        accounts: Who has a recommendation for AAA at the first tick.
        operator: SQL by hand at the end of a tick, by minute; harmless when repeated.
        setup: SQL before the first tick.
        lose_replies_to: Whose replies from the broker are lost, by a part of the order's id.
        together: The accounts run at the same time, as the machine's Map runs them.
    """

    name: str
    market: Mapping[str, Minute] = field(default_factory=dict)
    minutes: int = 3
    accounts: tuple[str, ...] = ("large",)
    operator: Mapping[str, str] = field(default_factory=dict)
    setup: str | None = None
    lose_replies_to: str | None = None
    together: bool = False

    def ticks(self) -> list[datetime]:
        return [ELEVEN + timedelta(minutes=number) for number in range(self.minutes)]

    def changes(self) -> Mapping[tuple[str, str], Minute | None]:
        """The recording, plenty but for what is said; a minute's quote stands at its end."""
        first = ELEVEN - timedelta(minutes=60)
        shown: dict[tuple[str, str], Minute | None] = {}
        for number in range(120):
            recorded = first + timedelta(minutes=number)
            seen = _clock(recorded + timedelta(minutes=1))
            shown["AAA", _clock(recorded)] = self.market.get(seen, PLENTY)
        return shown


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(NEW_YORK):%H:%M}"


_SELL = "UPDATE active_positions SET exit_requested = 'operator' WHERE status = 'open'"

SCENARIOS = (
    Scenario("entry_filled_at_once"),
    Scenario("partly_then_filled", {"11:00": SCARCE, "11:01": SCARCE}, minutes=4),
    # The exchange takes whole shares only.
    Scenario("rejected", setup="UPDATE accounts SET fractional_shares = true"),
    Scenario("reply_lost", lose_replies_to="-entry-", minutes=4),
    Scenario(
        "exit_partly_then_replaced",
        {
            "11:02": SCARCE,
            # Under the first exit's limit: the rest waits, is cancelled and priced anew.
            "11:03": Minute("9.90", "9.92", size=5000, volume=50_000),
            "11:04": Minute("9.90", "9.92", size=5000, volume=50_000),
            "11:05": Minute("9.90", "9.92", size=5000, volume=50_000),
        },
        minutes=6,
        operator={"11:01": _SELL},
    ),
    Scenario("two_accounts_at_once", accounts=("large", "tiny"), together=True),
)


def seed(db: Database, scenario: Scenario) -> None:
    """Everything around the entries in order for all the scenario's minutes."""
    bench = TradingBench(db)
    if scenario.setup is not None:
        bench.run(scenario.setup)
    for account in scenario.accounts:
        bench.recommend(account=account)
    bench.clock.at = scenario.ticks()[-1] + timedelta(minutes=1)
    bench.quote("AAA", "10.00", "10.02")


# What a run writes, children first; a deletion costs far less than another database.
_FORGET = """
position_telemetry, position_history, position_events, fills, orders WHERE position_id IS NOT NULL,
active_positions, dispatch_executions, orders, dispatch_recommendations, dispatcher_runs,
run_timings, pipeline_runs, alerts
"""


def keep(tx: Transaction) -> None:
    """Set the recommendations of the start aside, out of the way of a comparison."""
    tx.script(
        "CREATE SCHEMA aside; CREATE TABLE aside.recommendations AS TABLE dispatch_recommendations"
    )


def start_over(tx: Transaction) -> None:
    """Bring a seeded database back to its start."""
    for rows in _FORGET.split(","):
        tx.execute(f"DELETE FROM {rows.strip()}")
    tx.execute("INSERT INTO dispatch_recommendations SELECT * FROM aside.recommendations")


__all__ = ["DAY", "PLENTY", "SCENARIOS", "Scenario", "keep", "seed", "start_over"]
