"""What every function answers to the events it may meet, its own and those of others."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange, start
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.operations.manifest import STAGES
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.request import AccountRequest, TickRequest
from tests.conftest import MIGRATIONS
from tests.contract.paper_street import LARGE, TINY, at, write_market
from tests.support.fakes import FixedClock
from tests.support.handlers import FUNCTIONS, events_of, handler_of, model_of
from tests.support.stand_ins import in_process, leading_to, prepared

NOW = at("10:31") + timedelta(seconds=20)
WATCHED = ("AAPL", "SPY")
STRANGERS: dict[str, Any] = {
    "the console's hello world": {"key1": "value1", "key2": "value2", "key3": "value3"},
    "an object's creation": {"Records": [{"eventSource": "aws:s3"}]},
    "null": None,
    "a list": [{"tick": "2026-02-04T14:31:00Z"}],
    "a text": "2026-02-04T14:31:00Z",
}

every_function = pytest.mark.parametrize("name", FUNCTIONS)


def owed(name: str) -> list[str]:
    """The fields that `{}` lacks; a tick is none, as the entrypoint knows the present one."""
    model = model_of(name)
    ticking = issubclass(model, TickRequest)
    return [
        field
        for field, info in model.model_fields.items()
        if info.is_required() and not (ticking and field == "tick")
    ]


@pytest.fixture
def nothing_behind() -> Iterator[None]:
    """No database, no keys: whatever is tried beyond reading the event fails."""
    wiring.use(Runtime({}, FixedClock(NOW)))
    yield
    wiring.use(None)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    folder = tmp_path_factory.mktemp("exchange")
    market = write_market(folder / "market", tickers=WATCHED)
    with start(market, folder / "store.sqlite", [LARGE, TINY], folder / "log") as running:
        running.set_clock(NOW)
        yield running


@pytest.fixture(scope="module")
def urls(admin_db: Database, template_urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """One database for all functions, as they share one in life."""
    name = "handler_contract"
    local.clone_database(admin_db, target_from_url(template_urls.writer).database, name)
    yield template_urls.in_database(name)
    local.drop_database(admin_db, name)


@pytest.fixture(scope="module")
def variables(exchange: RunningExchange, urls: DatabaseUrls) -> dict[str, str]:
    with closing(Database(target_from_url(urls.writer), application_name="tests")) as database:
        prepared(database, *WATCHED)
    # Nobody answers for the VIX: the stages must stand without the index.
    return {**leading_to(exchange, urls), "MIGRATIONS_DIR": str(MIGRATIONS)}


@pytest.fixture
def running(variables: dict[str, str]) -> Iterator[Runtime]:
    with in_process(Runtime(variables, FixedClock(NOW), owner="test")) as runtime:
        yield runtime


def test_every_function_that_the_machines_and_the_stack_name_is_there() -> None:
    assert {stage.name for stage in STAGES} <= set(FUNCTIONS)


@every_function
@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_a_strangers_event_is_refused_with_the_accepted_fields_before_anything_happens(
    name: str, stranger: Any, nothing_behind: None
) -> None:
    with pytest.raises(InvalidInput) as raised:
        handler_of(name)(stranger, None)

    for field in model_of(name).model_fields:
        assert field in str(raised.value)


@every_function
def test_a_field_too_many_spoils_a_good_event(name: str, nothing_behind: None) -> None:
    for event in events_of(name).values():
        with pytest.raises(InvalidInput, match="tickk: "):
            handler_of(name)({**event, "tickk": "2026-02-04T14:31:00Z"}, None)


ticking = pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if "tick" in model_of(name).model_fields]
)
at_the_broker = pytest.mark.parametrize("name", ["dispatcher", "position_manager", "reconciler"])


@ticking
@pytest.mark.parametrize("tick", [0, 1_391_524_260, 1.5e9, "0", "1391524260", "1391524260.5", True])
def test_a_tick_is_never_a_number(name: str, tick: Any, nothing_behind: None) -> None:
    for event in events_of(name).values():
        with pytest.raises(InvalidInput, match="tick: "):
            handler_of(name)({**event, "tick": tick}, None)


@at_the_broker
@pytest.mark.parametrize(
    "away",
    [
        timedelta(days=-400),
        timedelta(minutes=-11),
        timedelta(minutes=2),
        timedelta(days=3),
    ],
)
def test_a_stage_that_touches_the_broker_refuses_a_tick_away_from_the_clock(
    name: str, away: timedelta, nothing_behind: None
) -> None:
    for event in events_of(name).values():
        with pytest.raises(InvalidInput, match=r"tick: .* the clock"):
            handler_of(name)({**event, "tick": (NOW + away).isoformat()}, None)


def test_the_stages_that_refuse_such_a_tick_are_those_with_an_accounts_keys() -> None:
    touching = {stage.name for stage in STAGES if stage.touches_the_broker}
    ticking = {name for name in FUNCTIONS if "tick" in model_of(name).model_fields}
    assert touching & ticking == {"dispatcher", "position_manager", "reconciler"}


@every_function
@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"], ids=["NUL", "surrogate"])
def test_a_text_that_postgres_refuses_is_refused_by_its_field(
    name: str, text: str, nothing_behind: None
) -> None:
    """But where a failure is recorded, and by the console, which answers for itself."""
    if name in {"run_failure", "db_query"}:
        return
    for event in events_of(name).values():
        for field in [key for key, value in event.items() if isinstance(value, str)]:
            with pytest.raises(InvalidInput, match=f"{field}[.:]|{field}, "):
                handler_of(name)({**event, field: text}, None)


@every_function
def test_an_empty_event_means_now_or_is_refused_naming_what_it_lacks(
    name: str, running: Runtime
) -> None:
    missing = owed(name)
    if not missing:
        answer = handler_of(name)({}, None)
        assert answer.get("status", "run") == "run"
        json.dumps(answer)
        return
    with pytest.raises(InvalidInput) as raised:
        handler_of(name)({}, None)
    for field in missing:
        assert f"{field}: Field required" in str(raised.value)


@every_function
def test_a_stage_of_one_account_is_never_run_without_naming_it(
    name: str, nothing_behind: None
) -> None:
    takes_account = issubclass(model_of(name), AccountRequest)

    assert takes_account == (name in {"dispatcher", "position_manager"})
    assert ("account" in owed(name)) == takes_account


@every_function
def test_each_of_its_test_events_is_accepted_and_answered_with_json(
    name: str, running: Runtime
) -> None:
    events = events_of(name)
    assert events, f"functions/{name}/events holds no event"
    statuses = set()
    for event in events.values():
        # The events are written for a day in life; here it is the exchange's.
        moved = {**event, "tick": "2013-10-07T14:30:00Z"} if "tick" in event else event
        answer = handler_of(name)(moved, None)
        json.dumps(answer)
        assert answer.get("statusCode", 200) == 200
        statuses.add(answer.get("status", "run"))

    assert statuses <= {"run", "already_done", "dry_run"}
    assert "run" in statuses or "already_done" in statuses
