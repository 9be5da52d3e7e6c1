"""Parameters out of their bounds: the guard goes on with good ones, entries are refused."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from ops_local.commands.doctor import examine
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.parameters import for_guard
from ops_pipeline.domain.parameters import ExitRules, Parameters
from ops_pipeline.errors import BrokerOutcomeUnknown, SettingsInvalid
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_market import rows
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock
from tests.support.handlers import handler_of
from tests.support.stand_ins import NOW, TICK, exchange_at_tick, in_process, leading_to, prepared

TIGHTER = Parameters(exits=ExitRules(stop_loss=0.01))
_SPOIL = """
UPDATE parameter_versions SET parameters = jsonb_set(parameters, '{exits,take_profit}', '-5')
WHERE :all OR active
"""
_ALERTS = "SELECT kind, severity, message FROM alerts WHERE resolved_at IS NULL"
FAULT = "parameter version 2: exits.take_profit is -5"


def spoil(bench: TradingBench, *, all_versions: bool = False) -> None:
    """Store a version that nothing of ours would store, as raw SQL or an older release does."""
    with bench.db.transaction() as tx:
        parameters.activate(tx, TIGHTER, source="operator", now=bench.clock.now())
    bench.run(_SPOIL, all=all_versions)
    bench.parameters = for_guard(bench.db, None)


def test_what_is_held_is_guarded_by_the_last_good_version_and_a_person_is_told(
    held: TradingBench,
) -> None:
    spoil(held)
    held.next_minute(AAA=("97.00", "97.02"))
    held.guard()
    held.next_minute(AAA=("96.90", "96.92"))
    held.guard()
    assert held.position()["close_reason"] == "stop_loss"
    [alert] = [row for row in held.rows(_ALERTS) if row["kind"] == "parameters_invalid"]
    assert alert["severity"] == "critical"
    assert alert["message"].startswith(FAULT)
    assert alert["message"].endswith("Entries are refused; positions are guarded with version 1")
    assert {row["parameter_version"] for row in held.orders("exit")} == {1}


def test_a_stored_value_that_is_no_number_is_a_fault_too(bench: TradingBench) -> None:
    bench.run(
        "UPDATE parameter_versions"
        " SET parameters = jsonb_set(parameters, '{exits,take_profit}', 'true')"
    )
    assert "exits.take_profit" in str(for_guard(bench.db, None).fault)


def test_where_no_version_is_good_the_defaults_guard(held: TradingBench) -> None:
    spoil(held, all_versions=True)
    assert (held.parameters.version, held.parameters.rules) == (None, Parameters())
    held.next_minute(AAA=("97.00", "97.02"))
    held.guard()
    held.next_minute(AAA=("96.90", "96.92"))
    held.guard()
    assert {row["parameter_version"] for row in held.orders("exit")} == {None}
    assert "guarded with the shipped defaults" in held.rows(_ALERTS)[0]["message"]


def test_none_in_force_is_guarded_too(held: TradingBench) -> None:
    held.run("UPDATE parameter_versions SET active = false")
    found = for_guard(held.db, None)
    assert (found.version, found.fault) == (1, "parameter_versions holds no active version")


def test_the_alert_ends_once_a_good_version_is_in_force(held: TradingBench) -> None:
    spoil(held)
    held.guard()
    better = replace(TIGHTER, exits=ExitRules(stop_loss=0.015))
    with held.db.transaction() as tx:
        parameters.activate(tx, better, source="operator", now=held.clock.now())
    held.parameters = for_guard(held.db, None)
    assert (held.parameters.version, held.parameters.rules.exits.stop_loss) == (3, 0.015)
    held.guard()
    assert held.rows(_ALERTS) == []


def test_the_guard_sends_no_entry_anew_meanwhile(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=False)
    bench.recommend()
    bench.dispatch()
    spoil(bench)
    bench.read_after_write = True
    bench.clock.advance(30)
    bench.quote("AAA")
    bench.guard()
    assert bench.order()["status"] == "not_placed"
    [note] = bench.notes.of("order_not_sent_again")
    assert FAULT in str(note["reasons"])
    assert bench.broker.orders == {}


def test_doctor_names_them_before_any_guard_runs(bench: TradingBench) -> None:
    def unusable() -> list[dict[str, object]]:
        with bench.db.transaction() as tx:
            parts = {part.title: part.rows for part in examine(tx, bench.clock.now)}
        return parts["Parameters that cannot be used"]

    assert unusable() == []
    spoil(bench)
    [found] = unusable()
    assert str(found["why"]).startswith(FAULT)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


def test_the_functions_that_guard_run_and_those_that_enter_refuse(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database
) -> None:
    prepared(db, "AAA")
    with db.transaction() as tx:
        tx.execute(_SPOIL, all=True)
    runtime = Runtime(leading_to(exchange, database_urls), FixedClock(NOW))
    event = {"tick": TICK, "account": "large"}
    with closing(runtime), in_process(runtime):
        for stage in ("position_manager", "reconciler"):
            assert handler_of(stage)(event, None)["status"] == "run"
        for stage, asked in (("dispatcher", event), ("signals", {"tick": TICK})):
            with pytest.raises(SettingsInvalid, match=r"exits\.take_profit is -5"):
                handler_of(stage)(asked, None)
    assert [row["kind"] for row in rows(db, _ALERTS)] == ["parameters_invalid"]
