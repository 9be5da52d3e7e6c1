"""Silence, staleness and failures raise alerts; a healthy minute and a holiday raise none."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ops_local.commands.doctor import examine
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import parameters, runs
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import alerts, comparisons, invariants, retention
from ops_pipeline.db.regime import store_readings
from ops_pipeline.domain.market import MINUTE, new_york_time
from ops_pipeline.domain.operations.alerts import item_illegible
from ops_pipeline.domain.operations.health import LONGEST_GAPS, MONITORED_STAGES
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.ports import VixReading
from ops_pipeline.stages import control, healthcheck, run_failure
from ops_pipeline.stages.request import TickRequest
from tests.execution.odd_items import odd
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock
from tests.support.subscribing import store_item, subscribe_wire

WEDNESDAY = date(2026, 2, 4)
HOLIDAY = date(2026, 2, 16)
DAY = timedelta(days=1)
NEWS = ("rss_ingest", "classifier")
SCOPES = {
    "market_clock": ("trading_cycle", "position_cycle"),
    "dispatcher": ("large", "tiny"),
    "position_manager": ("large", "tiny"),
}


def at(hour: int, minute: int, day: date = WEDNESDAY) -> datetime:
    return new_york_time(day, hour, minute)


def check(db: Database, tick: datetime) -> healthcheck.Outcome:
    request = TickRequest(tick=tick)
    return healthcheck.run(request, db=db, calendar=NyseCalendar(), clock=FixedClock(tick))


def ran(
    db: Database, stages: Iterable[str], ticks: Iterable[datetime], *, without: str = ""
) -> None:
    """Let these stages succeed at these ticks, for every scope but `without`."""
    for tick in ticks:
        for stage in stages:
            for scope in SCOPES.get(stage, ("*",)):
                if scope != without:
                    succeed(db, stage, scope, tick)


def succeed(db: Database, stage: str, scope: str, tick: datetime) -> None:
    lease = runs.take(db, stage=stage, tick=tick, scope=scope, owner="test", now=tick, lease_s=60)
    assert isinstance(lease, runs.Lease)
    with db.transaction() as tx:
        runs.succeed(tx, lease, counts={}, now=tick, duration_ms=1)


def last(tick: datetime, minutes: int = 2) -> list[datetime]:
    return [tick - (number + 1) * MINUTE for number in range(minutes)]


def store_output(db: Database, newest: datetime) -> None:
    with db.transaction() as tx:
        parameters.activate(tx, Parameters(), source="default", now=newest)
        store_item(tx, 1, newest)
        tx.execute(
            "INSERT INTO lane_telemetry VALUES ('SPY', :ts, 1, 1, 1, 1, 5, 'iex', :seen)",
            ts=newest,
            seen=newest + MINUTE,
        )
        tx.execute(
            """
            INSERT INTO lane_features (ticker, ts, close, sma20, sma50, recent_vol, baseline_vol,
                distance_sma20, distance_sma50, trend_state, volume_current, volume_avg_20,
                bar_count, computed_at, parameter_version)
            VALUES ('SPY', :ts, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 50, :seen, 1)
            """,
            ts=newest,
            seen=newest + MINUTE,
        )


@pytest.fixture(autouse=True)
def _subscribed(db: Database) -> None:
    """News and the volatility index are looked at in tests of their own."""
    subscribe_wire(db)
    with db.transaction() as tx:
        days = [date(2026, 1, 28) + number * DAY for number in range(30)]
        store_readings(tx, [VixReading(day, 18.0) for day in days], source="vix", now=NOON)


def open_alerts(db: Database) -> list[dict[str, Any]]:
    with db.transaction() as tx:
        return tx.rows(
            "SELECT * FROM alerts WHERE resolved_at IS NULL ORDER BY kind, scope, subject"
        )


ALL_STAGES = tuple(monitored.stage for monitored in MONITORED_STAGES)
NOON = at(12, 0)


def healthy(db: Database, tick: datetime) -> None:
    ran(db, ALL_STAGES, last(tick))
    store_output(db, tick - 2 * MINUTE)
    with db.transaction() as tx:
        for account in ("large", "tiny"):
            comparisons.keep(
                tx,
                account=account,
                tick=tick - 5 * MINUTE,
                compared_at=tick - 5 * MINUTE,
                found=[],
                duration_ms=1,
            )


def test_a_minute_in_which_all_ran_raises_nothing(db: Database) -> None:
    healthy(db, NOON)

    outcome = check(db, NOON)

    assert outcome.unwell == []
    assert outcome.checked == 24
    assert open_alerts(db) == []


def test_an_account_nobody_guards_is_critical_and_named(db: Database) -> None:
    ran(db, ALL_STAGES, last(NOON), without="tiny")
    ran(db, ["dispatcher"], [NOON], without="large")
    store_output(db, NOON - 2 * MINUTE)

    outcome = check(db, NOON)

    (alert,) = open_alerts(db)
    assert (alert["scope"], alert["subject"], alert["severity"]) == (
        "tiny",
        "position_manager",
        "critical",
    )
    assert outcome.critical_alerts_open == 1


def test_a_stage_that_runs_again_resolves_its_alert(db: Database) -> None:
    ran(db, NEWS, last(NOON, 3)[2:])
    assert check(db, NOON).alerts_opened > 0
    later = NOON + 5 * MINUTE
    healthy(db, later)

    outcome = check(db, later)

    assert outcome.alerts_resolved > 0
    assert open_alerts(db) == []


def test_a_clean_holiday_raises_nothing(db: Database) -> None:
    noon = at(12, 0, HOLIDAY)
    ran(db, NEWS, last(noon))

    assert check(db, noon).unwell == []


def test_news_must_run_on_a_holiday_too(db: Database) -> None:
    noon = at(12, 0, HOLIDAY)
    ran(db, NEWS, last(noon, 3)[2:])

    check(db, noon)

    assert [alert["subject"] for alert in open_alerts(db)] == ["classifier", "rss_ingest"]


def test_a_pipeline_just_set_up_owes_nothing_yet(db: Database) -> None:
    assert check(db, NOON).checked == 0


def test_a_pipeline_that_died_hours_ago_is_not_taken_for_one_just_set_up(db: Database) -> None:
    ran(db, ALL_STAGES, [NOON - timedelta(hours=3)])

    check(db, NOON)

    subjects = {alert["subject"] for alert in open_alerts(db)}
    assert {"telemetry", "lane_telemetry", "lane_features"} <= subjects


def test_a_daily_stage_that_no_weekday_started_is_found_and_then_well_again(db: Database) -> None:
    friday, monday = date(2026, 1, 30), date(2026, 2, 2)
    others = set(LONGEST_GAPS) - {"retention"}
    ran(db, LONGEST_GAPS, [at(16, 20, friday)])
    ran(db, others, [at(8, 30, monday), at(16, 20, monday)])
    healthy(db, at(9, 40, monday))
    healthy(db, NOON)

    assert check(db, at(8, 25, monday)).unwell == []
    check(db, NOON)
    (alert,) = open_alerts(db)
    assert (alert["kind"], alert["subject"]) == ("stage_silent", "retention")
    assert "since 2026-01-30 21:20 UTC" in alert["message"]

    ran(db, ["retention"], [NOON])
    assert check(db, NOON).alerts_resolved == 1


def test_discovery_that_no_weekday_started_is_found_and_then_well_again(db: Database) -> None:
    friday, monday = date(2026, 1, 30), date(2026, 2, 2)
    ran(db, LONGEST_GAPS, [at(16, 15, friday)])
    ran(db, set(LONGEST_GAPS) - {"discovery"}, [at(16, 20, monday)])

    assert "stage_silent * discovery" not in check(db, at(16, 15, monday)).unwell
    check(db, at(18, 20, monday))
    (alert,) = [one for one in open_alerts(db) if one["subject"] == "discovery"]
    assert (alert["kind"], alert["severity"]) == ("stage_silent", "warning")
    assert "since 2026-01-30 21:15 UTC" in alert["message"]

    ran(db, ["discovery"], [at(18, 20, monday)])
    check(db, at(18, 25, monday))
    assert "discovery" not in [one["subject"] for one in open_alerts(db)]


def test_a_failure_whose_run_is_no_longer_kept_is_resolved_too(db: Database) -> None:
    fail_dispatcher(db, NOON - 6 * MINUTE)
    with db.transaction() as tx:
        tx.execute("UPDATE pipeline_runs SET tick = tick - interval '40 days'")
    with db.transaction() as tx:
        retention.delete_before(tx, "pipeline_runs", NOON - 30 * DAY, most=10)
    healthy(db, NOON)

    assert check(db, NOON).alerts_resolved == 1


def test_an_empty_table_is_not_fresh(db: Database) -> None:
    ran(db, ALL_STAGES, last(NOON))

    check(db, NOON)

    alerts = open_alerts(db)
    assert [alert["subject"] for alert in alerts] == [
        "inbound_events_raw",
        "lane_features",
        "lane_telemetry",
    ]
    assert alerts[1]["message"] == "lane_features is empty; the limit is 240 s"


def recommend(db: Database, status: str, count: int, *, first: int, account: str) -> None:
    with db.transaction() as tx:
        for number in range(first, first + count):
            tx.execute(
                """
                INSERT INTO dispatch_recommendations (id, ts, created_at, account_name, ticker,
                    action, instrument_type, strategy_type, confidence, reason, status,
                    failure_reason, features_snapshot, parameter_version)
                VALUES (:id, :ts, :ts, :account, 'SPY', 'BUY', 'STOCK', 'day_trade', 0.5, '{}',
                    :status, 'why', '{}', 1)
                """,
                id=number,
                ts=NOON - timedelta(minutes=30) + timedelta(seconds=number),
                account=account,
                status=status,
            )


@pytest.mark.parametrize(("failed", "alerts"), [(1, []), (2, ["large"])])
def test_more_than_a_tenth_failing_within_an_hour_raises_an_alert_for_the_account(
    db: Database, failed: int, alerts: list[str]
) -> None:
    healthy(db, NOON)
    recommend(db, "FAILED", failed, first=0, account="large")
    recommend(db, "SKIPPED", 10 - failed, first=10, account="large")
    recommend(db, "EXECUTED", 1, first=30, account="tiny")

    check(db, NOON)

    assert [alert["scope"] for alert in open_alerts(db)] == alerts


def refuse(db: Database, gate: str, observed: str, count: int) -> None:
    """So many recommendations that this gate refused, and another of a single idea."""
    recommend(db, "SKIPPED", count, first=0, account="large")
    with db.transaction() as tx:
        tx.execute(
            "UPDATE dispatch_recommendations SET risk_gate_json = CAST(:gates AS jsonb)",
            gates=f'{{"{gate}": {{"passed": false, "observed": {observed}}}, '
            '"confidence": {"passed": false, "observed": 0.1}}',
        )


@pytest.mark.parametrize(
    ("gate", "observed", "count", "alerts"),
    [
        ("vix_regime", "44.1", 3, ["large"]),
        ("vix_regime", "44.1", 2, []),
        ("confidence", "0.1", 9, []),
        ("buying_power", "null", 3, ["large"]),
        ("buying_power", "12.5", 3, []),
    ],
)
def test_a_gate_that_refuses_every_idea_of_an_hour_is_named_with_what_to_do(
    db: Database, gate: str, observed: str, count: int, alerts: list[str]
) -> None:
    healthy(db, NOON)
    refuse(db, gate, observed, count)

    check(db, NOON)

    found = open_alerts(db)
    assert [alert["scope"] for alert in found] == alerts
    assert all(f"refused by {gate}, " in alert["message"] for alert in found)


def test_what_refused_every_idea_and_no_longer_does_has_its_alert_resolved(db: Database) -> None:
    healthy(db, NOON)
    refuse(db, "guard_alive", "null", 3)
    check(db, NOON)
    assert len(open_alerts(db)) == 1
    recommend(db, "EXECUTED", 1, first=20, account="large")

    check(db, NOON)

    assert open_alerts(db) == []


def fail_dispatcher(db: Database, tick: datetime) -> None:
    request = run_failure.Request(
        tick=tick, machine="trading_cycle", state="Dispatcher", error="BrokerUnavailable"
    )
    run_failure.run(request, db=db, clock=FixedClock(tick), owner="test")


def test_a_failed_state_that_recovered_has_its_alert_resolved(db: Database) -> None:
    fail_dispatcher(db, NOON - 6 * MINUTE)
    healthy(db, NOON)

    assert check(db, NOON).alerts_resolved == 1
    assert open_alerts(db) == []


def test_another_accounts_success_does_not_resolve_a_failure_that_goes_on(db: Database) -> None:
    fail_dispatcher(db, NOON - 6 * MINUTE)
    fail_dispatcher(db, NOON - 3 * MINUTE)
    healthy(db, NOON)

    check(db, NOON)

    assert [alert["kind"] for alert in open_alerts(db)] == ["stage_failed"]


def test_a_failed_state_whose_stage_never_ran_again_stays_open(db: Database) -> None:
    fail_dispatcher(db, at(8, 30))
    evening = datetime(2026, 2, 5, 1, 0, tzinfo=UTC)
    ran(db, NEWS, last(evening))

    check(db, evening)

    assert [alert["kind"] for alert in open_alerts(db)] == ["stage_failed"]


def test_an_illegible_quote_of_what_nobody_holds_is_told_of_for_some_minutes(
    db: Database,
) -> None:
    """Nobody may ask for it again; what is held is asked for each minute."""
    bench = TradingBench(db)
    bench.buy("AAA")
    healthy(db, NOON)
    for ticker in ("AAA", "BBB"):
        item = odd("quote", ticker, symbol=ticker)
        with db.transaction() as tx:
            alerts.open_alert(tx, item_illegible(runs.EVERYTHING, item), now=NOON - 6 * MINUTE)
    check(db, NOON)
    told = [it["subject"] for it in open_alerts(db) if it["kind"] == "item_illegible"]
    assert told == ["quote AAA"]


def test_a_broken_invariant_has_an_alert_that_names_the_row_until_it_is_whole_again(
    db: Database,
) -> None:
    bench = TradingBench(db)
    bench.buy()
    bench.guard()
    bench.run("UPDATE active_positions SET quantity = quantity - 1")
    assert "invariant_broken large position_equals_its_orders" in check(db, NOON).unwell
    check(db, NOON + MINUTE)
    (alert,) = bench.rows("SELECT * FROM alerts WHERE kind = 'invariant_broken'")
    assert (alert["severity"], alert["resolved_at"]) == ("critical", None)
    assert str(bench.position()["id"]) in alert["message"]
    bench.run("UPDATE active_positions SET quantity = quantity + 1")
    assert check(db, NOON + 2 * MINUTE).alerts_resolved == 1
    assert "invariant_broken" not in bench.alerts()


def test_an_account_that_lost_five_times_in_a_row_alerts_until_it_is_resumed(db: Database) -> None:
    bench = TradingBench(db)
    bench.set_account(max_daily_loss=5000)
    for number, ticker in enumerate(("AAA", "BBB", "CCC", "DDD", "EEE")):
        check(db, bench.tick)
        assert "losing_streak" not in bench.alerts(), f"after {number} losses"
        bench.quote(ticker)
        bench.buy(ticker)
        bench.next_minute(**{ticker: ("90.00", "90.02")})
        bench.broker.at_once[ticker] = ("90.00", None)
        bench.guard()
        assert bench.position(ticker)["status"] == "closed"
    check(db, bench.tick)
    assert "losing_streak" in bench.alerts()
    bench.quote("FFF")
    number = bench.recommend("FFF")
    bench.dispatch()
    assert "Last 5 trades of the account lost" in bench.recommendation(number)["failure_reason"]

    bench.clock.advance(60)
    wish = control.Request(
        action="resume", account="large", operator="test", reason="seen"
    ).command()
    control.run(wish, db=db, clock=bench.clock)
    check(db, bench.tick)
    assert "losing_streak" not in bench.alerts()


@pytest.mark.parametrize(
    ("place", "check_of", "part"),
    [
        ("feed_state active", "news", "News"),
        ("position_history pnl_pct", "losing_streaks", None),
        ("dispatch_executions qty", "fill_has_evidence", "Broken invariants"),
    ],
)
def test_a_check_that_cannot_be_made_is_an_alert_and_stops_no_other(
    db: Database, owner_db: Database, place: str, check_of: str, part: str | None
) -> None:
    table, column = place.split()

    def rename(before: str, after: str) -> None:
        with owner_db.transaction() as tx:
            tx.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")

    ran(db, ALL_STAGES, last(NOON), without="tiny")
    store_output(db, NOON - 2 * MINUTE)

    rename(column, "gone")
    outcome = check(db, NOON)
    assert f"check_failed * {check_of}" in outcome.unwell
    assert "stage_silent tiny position_manager" in outcome.unwell
    told = {(it["kind"], it["subject"]): it["severity"] for it in open_alerts(db)}
    assert told["check_failed", check_of] == "critical"
    with db.transaction() as tx:
        seen = {part.title: part.rows for part in examine(tx, lambda: NOON)}
    unknown = [title for title, found in seen.items() if "not known: " in str(found)]
    assert unknown == ([] if part is None else [part])
    assert len(seen["Open alerts"]) == len(told)

    rename("gone", column)
    check(db, NOON)
    assert "check_failed" not in {it["kind"] for it in open_alerts(db)}


@pytest.mark.parametrize(
    "stored",
    [
        '{"gates": {"account_losing_streak": "many", "recommendation_age_s": "long"}}',
        '{"gates": {"account_losing_streak": -3, "recommendation_age_s": null}}',
        '{"gates": {"account_losing_streak": 1e30, "recommendation_age_s": 1e30}}',
        '{"gates": {"account_losing_streak": 2.5, "recommendation_age_s": []}}',
        '{"gates": 7}',
        "[]",
    ],
)
def test_parameters_of_no_use_do_not_stop_the_check_or_the_invariants(
    db: Database, stored: str
) -> None:
    bench = TradingBench(db)
    bench.buy()
    bench.run(
        "UPDATE parameter_versions SET parameters = CAST(:stored AS jsonb) WHERE active",
        stored=stored,
    )
    check(db, bench.tick)
    with db.transaction() as tx:
        found = invariants.check(tx, now=bench.clock.now())
    assert found == []


def test_parameters_without_the_streak_are_read_as_shipped(db: Database) -> None:
    bench = TradingBench(db)
    bench.run("UPDATE parameter_versions SET parameters = '{}' WHERE active")
    assert check(db, bench.tick).unwell == []
