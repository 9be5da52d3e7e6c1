"""What a replay sets up, a person sets up too: by verbs, ops.toml, migrations and defaults."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ops_local import database as databases
from ops_local.cli import main
from ops_local.comparison.databases import differences
from ops_local.database import DatabaseUrls
from ops_local.exchange.accounts import key_variables
from ops_local.home import LIVE, Home
from ops_local.replay_environment import ACCOUNTS, ReplayEnvironment, ReplayPlan, opened
from ops_local.synthetic import generate
from ops_pipeline.runtime.settings import read_settings
from tests.conftest import MIGRATIONS
from tests.support.fakes import FixedClock

# What says who did it and why: a replay has no operator.
AUDIT = {"operator_actions", "applied_deployment", "feed_contact"}
# A person binds under the database's own salt, and an operator's parameters are no overlay.
WHOSE = {
    ("account_bindings", "bound_by"),
    ("account_bindings", "number_mark"),
    ("parameter_versions", "source"),
}
# Settings of a person who has the same exchange and feeds beside them.
ADDRESSES = {"ALPACA_TRADING_URL", "ALPACA_DATA_URL", "VIX_URL", "FEED_PROXY_URL"}
# About servers on this machine, none about what is traded, and the part of each order's id.
OF_A_REPLAY = {
    "FEED_HOST_INTERVAL_S",
    "FEED_ALLOWED_NETWORKS",
    "BROKER_READ_AFTER_WRITE",
    "OPS_DEPLOYMENT",
}
WHAT_IF = {"exits": {"take_profit": 0.02}}


@pytest.fixture(scope="module")
def replayed(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ReplayPlan, ReplayEnvironment]]:
    """A replay before its first minute."""
    recording = generate(tmp_path_factory.mktemp("set-up") / "generated", n_tickers=4)
    plan = ReplayPlan(recording, home, MIGRATIONS, overlay=WHAT_IF)
    with opened(plan) as environment:
        yield plan, environment


@pytest.fixture(scope="module")
def by_verbs(
    replayed: tuple[ReplayPlan, ReplayEnvironment],
    home: Home,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DatabaseUrls]:
    """The live database of the same state folder, as verbs alone make it at the same minute."""
    plan, environment = replayed
    file = tmp_path_factory.mktemp("deployment") / "ops.toml"
    own = {name: environment.variables[name] for name in ADDRESSES}
    networks = {"FEED_ALLOWED_NETWORKS": "127.0.0.0/8", "OPS_HOME": str(home.folder)}
    variables = {**own, **networks, **key_variables(ACCOUNTS), "USER": "ann"}
    clock = FixedClock(environment.clock.at)
    assert main(["init", "--file", str(file)], variables, clock) == 0
    file.write_text(ops_toml(plan), encoding="utf-8")
    assert main(["apply", "--file", str(file), "--yes"], variables, clock) == 0
    assert main(["accounts", "bind", "--all", "--yes"], variables, clock) == 0
    with ExitStack() as stack:
        yield stack.enter_context(databases.opened(home.folder, None, MIGRATIONS, LIVE))


def ops_toml(plan: ReplayPlan) -> str:
    """The recording's tickers and feeds, and what differs from the defaults."""
    feeds = sorted({item.feed for item in plan.recording.news})
    tables = (
        f'[[feeds.feed]]\nurl = "http://recording.example/feeds/{name}.xml"\nsource = "{name}"\n'
        for name in feeds
    )
    watch = ", ".join(f'"{ticker}"' for ticker in plan.recording.tickers)
    return (
        "[accounts.large]\n[accounts.tiny]\n"
        + "".join(tables)
        + f"[tickers]\nwatch = [{watch}]\n[parameters.exits]\ntake_profit = 0.02\n"
    )


def test_verbs_alone_make_the_rows_that_a_replay_begins_with(
    replayed: tuple[ReplayPlan, ReplayEnvironment], by_verbs: DatabaseUrls
) -> None:
    _, environment = replayed
    found = [
        str(it)
        for it in differences(environment.urls, by_verbs)
        if it.table not in AUDIT
        and not ({(it.table, column) for column in it.columns} <= WHOSE and it.columns)
    ]
    assert found == []


def test_what_a_replay_s_functions_see_is_a_person_s_settings_and_a_few_about_its_servers(
    replayed: tuple[ReplayPlan, ReplayEnvironment], by_verbs: DatabaseUrls
) -> None:
    _, environment = replayed
    of_a_person = {*by_verbs.variables(), *key_variables(ACCOUNTS), *ADDRESSES}
    assert set(environment.variables) - of_a_person == OF_A_REPLAY
    # Each of them has a default that works: none is required of a person.
    read_settings({})
