"""What each login may do to each table: what the page says, tried."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from typing import get_args

import pytest
from pg8000.exceptions import DatabaseError

from ops_local import database as local
from ops_local import logins
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import halts
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.driver.failures import sqlstate_of
from ops_pipeline.db.operations import overview
from ops_pipeline.db.roles import Role
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.domain.operations.manifest import STAGES
from ops_pipeline.domain.operations.stage import ROLES
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import ROOT
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock

PAGE = ROOT / "docs" / "logins.md"
_MAY_NOT = "42501"
_READ_ONLY = "25006"
_NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
_COLUMNS = """
SELECT c.relname AS table_name, array_agg(a.attname ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.relname
"""
# What a person's verbs write on their own machine and no stage does, or no stage yet.
_OF_NO_STAGE = {
    ("feed_state", "DELETE"),
    ("ticker_universe", "DELETE"),
    ("tickers", "DELETE"),
}


@pytest.fixture
def as_login(database_urls: DatabaseUrls) -> Iterator[dict[str, Database]]:
    opened = {
        name: Database(target_from_url(getattr(database_urls, name)), application_name="tests")
        for name in (*logins.LOGINS, "owner", "writer")
    }
    yield opened
    for database in opened.values():
        database.close()


def _refused(database: Database, sql: str) -> bool:
    """Whether Postgres refuses it for lack of a right; EXPLAIN checks rights and does nothing."""
    try:
        database.session().execute_simple(f"EXPLAIN {sql}")
    except DatabaseError as error:
        if sqlstate_of(error) == _MAY_NOT:
            return True
        raise
    return False


def _fails(database: Database, sql: str) -> bool:
    """Whether it is refused for lack of a right, when it is carried out; undone otherwise."""
    session = database.session()
    session.execute_simple("BEGIN")
    try:
        session.execute_simple(sql)
    except DatabaseError as error:
        if sqlstate_of(error) == _MAY_NOT:
            return True
        raise
    finally:
        session.execute_simple("ROLLBACK")
    return False


def test_the_page_says_what_the_database_grants(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        assert PAGE.read_text(encoding="utf-8") == logins.page(logins.rights(tx))


def test_every_login_may_do_to_every_table_what_the_page_says(
    owner_db: Database, as_login: dict[str, Database]
) -> None:
    with owner_db.transaction() as tx:
        found = logins.rights(tx)
        columns = {row["table_name"]: row["columns"] for row in tx.rows(_COLUMNS)}
    forms = {
        "SELECT": "SELECT 1 FROM {0}",
        "INSERT": "INSERT INTO {0} DEFAULT VALUES",
        "DELETE": "DELETE FROM {0}",
    }
    for (table, login, verb), right in found.items():
        if verb != "UPDATE":
            assert _refused(as_login[login], forms[verb].format(table)) is not right.some
            continue
        allowed = set(columns[table] if right.whole else right.columns)
        for column in columns[table]:
            sql = f"UPDATE {table} SET {column} = DEFAULT"
            assert _refused(as_login[login], sql) is (column not in allowed), (login, sql)


@pytest.mark.parametrize(
    ("login", "sql"),
    [
        *((login, f"UPDATE accounts SET {column} = {column}")
          for login in ("news", "market", "trading", "reader")
          for column in ("max_exposure", "max_positions", "max_daily_loss", "operator_halt",
                         "kill_switch", "kill_switch_day", "order_limit_halt", "active",
                         "execution_mode", "max_orders_per_day")),
        *((login, "UPDATE total_order_limits SET max_orders_per_day = 9")
          for login in ("news", "market", "trading", "reader")),
        *((login, f"{verb} dispatch_recommendations") for login in ("news", "market", "control")
          for verb in ("DELETE FROM", "TRUNCATE")),
        ("news", "INSERT INTO dispatch_recommendations DEFAULT VALUES"),
        ("market", "INSERT INTO dispatch_recommendations DEFAULT VALUES"),
        ("news", "INSERT INTO orders DEFAULT VALUES"),
        ("news", "SELECT salt FROM binding_salt"),
        ("reader", "SELECT salt FROM binding_salt"),
        ("trading", "UPDATE parameter_versions SET active = true"),
        ("trading", "UPDATE account_bindings SET number_mark = number_mark"),
        ("trading", "UPDATE fills SET price = 1"),
        ("control", "UPDATE fills SET price = 1"),
        ("control", "INSERT INTO dispatch_recommendations DEFAULT VALUES"),
        ("control", "UPDATE operator_actions SET reason = 'x'"),
        ("control", "DELETE FROM operator_actions"),
        ("news", "SELECT latch_kill_switch('large', 'x', '2026-02-04')"),
        ("news", "CREATE TABLE mine (a int)"),
        ("trading", "CREATE TEMP TABLE fills (a int)"),
        ("news", "ALTER ROLE ops_pipeline_market PASSWORD 'mine'"),
        ("news", "SET ROLE ops_pipeline_control"),
        ("trading", "ALTER TABLE fills DISABLE TRIGGER ALL"),
        ("trading", "SET session_replication_role = replica"),
    ],
)  # fmt: skip
def test_a_login_that_was_taken_over_may_not(
    as_login: dict[str, Database], login: str, sql: str
) -> None:
    with pytest.raises(DatabaseError) as refused:
        as_login[login].session().execute_simple(sql)
    # The reader's transactions are READ ONLY as well.
    assert sqlstate_of(refused.value) in (_MAY_NOT, _READ_ONLY if login == "reader" else "")


_RUN = """INSERT INTO pipeline_runs
    (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at)
VALUES (gen_random_uuid(), '{0}', now(), '*', 1, 'running', 'me', now(), now())"""
_ALERT = """INSERT INTO alerts
    (id, kind, scope, subject, severity, message, details, opened_at)
VALUES (gen_random_uuid(), '{0}', '*', 'x', 'info', 'x', '{{}}', now())"""


def test_a_group_writes_the_runs_of_its_own_stages_and_no_other(
    as_login: dict[str, Database],
) -> None:
    groups = ("news", "market", "trading", "control")
    for stage in STAGES:
        if stage.login not in groups:
            continue
        for login in groups:
            refused = _fails(as_login[login], _RUN.format(stage.name))
            assert refused is (login != stage.login), (login, stage.name)


@pytest.mark.parametrize("login", ["news", "market", "control"])
def test_no_other_group_ends_a_run_or_takes_a_lease_of_trading(
    as_login: dict[str, Database], login: str
) -> None:
    with as_login["trading"].transaction() as tx:
        tx.execute(_RUN.format("dispatcher"))
    for change in ("status = 'succeeded', finished_at = now()", "attempt = 2"):
        with as_login[login].transaction() as tx:
            assert tx.execute(f"UPDATE pipeline_runs SET {change}") == 0
    assert _fails(as_login[login], "UPDATE pipeline_runs SET stage = 'another'")


@pytest.mark.parametrize("login", ["news", "market"])
def test_no_group_holds_up_the_runs_of_another(as_login: dict[str, Database], login: str) -> None:
    """What it could lock, a stage of the other would wait for: no exit would be decided."""
    with as_login["trading"].transaction() as tx:
        tx.execute(_RUN.format("position_manager"))
    for table in ("pipeline_runs", "run_timings"):
        for mode in ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"):
            assert _fails(as_login[login], f"LOCK TABLE {table} IN {mode} MODE")
    for mode in ("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"):
        with as_login[login].transaction() as tx:
            assert tx.rows(f"SELECT run_id FROM pipeline_runs FOR {mode}") == []
    timing = "INSERT INTO run_timings SELECT run_id, attempt, 1 FROM pipeline_runs"
    assert _fails(as_login[login], timing)
    with as_login["trading"].transaction() as tx:
        assert tx.rows("SELECT run_id FROM pipeline_runs FOR UPDATE")
        assert tx.execute(timing) == 1


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("stage_silent", {"market"}),
        ("invariant_broken", {"market"}),
        ("kill_switch", {"trading", "control"}),
        ("order_outcome_unknown", {"trading", "control"}),
        ("item_illegible", {"market", "trading", "control"}),
    ],
)
def test_an_alert_is_opened_and_ended_by_its_group(
    as_login: dict[str, Database], kind: str, allowed: set[str]
) -> None:
    end = f"UPDATE alerts SET resolved_at = now() WHERE kind = '{kind}'"
    with as_login["writer"].transaction() as tx:
        tx.execute(_ALERT.format(kind))
    for login in ("news", "market", "trading", "control"):
        assert _fails(as_login[login], end) is (login not in allowed)
        again = _ALERT.format(kind).replace("'x', 'info'", "'y', 'info'")
        assert _fails(as_login[login], again) is (login not in allowed)


def test_the_kinds_of_alerts_are_parted_between_market_and_trading(
    as_login: dict[str, Database],
) -> None:
    """One that no migration names is anybody's who may write alerts."""
    for kind in get_args(AlertKind):
        writers = {
            login
            for login in ("market", "trading", "control")
            if not _fails(as_login[login], _ALERT.format(kind))
        }
        everybody = {"market", "trading", "control"}
        assert writers in ({"market"}, {"trading", "control"}, everybody), kind


def test_control_stores_no_order_that_would_be_sent(
    bench: TradingBench, as_login: dict[str, Database]
) -> None:
    bench.buy()
    copy = """INSERT INTO orders SELECT (jsonb_populate_record(o, to_jsonb(o) || '{0}')).*
        FROM orders AS o"""
    terms = {"client_order_id": "mine", "symbol": "BBB", "ticker": "BBB", "attempt": 2}
    unsent = {"status": "intended", "filled_qty": 0, "filled_avg_price": None,
              "terminal_at": None, "broker_order_id": None}  # fmt: skip
    intent = copy.format(json.dumps({**terms, **unsent}))
    with pytest.raises(DatabaseError, match="control sends none"):
        as_login["control"].session().execute_simple(intent)
    again = "UPDATE orders SET status = 'unknown', reopened_at = now(), terminal_at = NULL"
    with pytest.raises(DatabaseError, match="control sends none"):
        as_login["control"].session().execute_simple(again)


def test_every_right_of_the_former_writer_is_some_group_s(
    owner_db: Database, as_login: dict[str, Database]
) -> None:
    """A migration that grants to the writer alone leaves a stage without its right."""
    with owner_db.transaction() as tx:
        found = logins.rights(tx)
    forms = {"INSERT": "INSERT INTO {0} DEFAULT VALUES", "DELETE": "DELETE FROM {0}"}
    unheld = {
        (table, verb)
        for table, _, verb in found
        if verb in forms
        and not _refused(as_login["writer"], forms[verb].format(table))
        and not any(found[table, group, verb].some for group in logins.LOGINS)
    }
    assert unheld == _OF_NO_STAGE


def test_trading_halts_and_does_not_lift(as_login: dict[str, Database]) -> None:
    today = date(2026, 2, 4)
    with as_login["trading"].transaction() as tx:
        assert halts.latch_kill_switch(tx, account="large", reason="lost", day=today)
        assert not halts.latch_kill_switch(tx, account="large", reason="again", day=today)
        assert halts.latch_order_limit(tx, account="large", reason="too many")
        assert not halts.latch_order_limit(tx, account="large", reason="more")
    with as_login["control"].transaction() as tx:
        tx.execute("UPDATE accounts SET kill_switch = NULL, kill_switch_day = NULL")


@pytest.mark.parametrize("table", ["position_events", "position_history"])
def test_a_record_is_not_emptied_even_by_its_owner(
    as_login: dict[str, Database], table: str
) -> None:
    with pytest.raises(DatabaseError, match=f"{table}: rows are added and never changed"):
        as_login["owner"].session().execute_simple(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", ["fills", "operator_actions", "position_events"])
@pytest.mark.parametrize("verb", ["UPDATE {0} SET account_name = account_name", "DELETE FROM {0}"])
def test_records_stand_even_for_their_owner(
    bench: TradingBench, owner_db: Database, table: str, verb: str
) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard()
    column = "operator" if table == "operator_actions" else "account_name"
    with owner_db.transaction() as tx:
        tx.execute(
            "INSERT INTO operator_actions (id, at, operator, action, scope, reason, details) "
            "VALUES (gen_random_uuid(), now(), 'me', 'halt', '*', 'test', '{}')"
        )
    sql = verb.format(table).replace("account_name", column)
    never = f"{table}: rows are added and never changed"
    with pytest.raises(DatabaseError, match=never), owner_db.transaction() as tx:
        tx.execute(sql)


def _sold(bench: TradingBench) -> None:
    """Bought at 100 and sold by the stop's rule, its fills booked."""
    bench.buy()
    bench.guard()
    for _ in range(3):
        bench.next_minute(AAA=("90.00", "90.02"))
        bench.guard()
        for order in list(bench.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.raw_status == "new":
                bench.broker.fill(order.client_order_id, "90.00")
    bench.guard()


def test_history_changes_once_from_unverified_to_verified_and_tells_so(
    bench: TradingBench, owner_db: Database
) -> None:
    _sold(bench)
    change = """UPDATE position_history SET exit_price = entry_price, pnl_dollars = 0, pnl_pct = 0,
        win_loss_label = 'flat', verified = true"""
    with pytest.raises(DatabaseError, match="its history changes once"):
        bench.run(change)
    unprove = """ALTER TABLE position_history DISABLE TRIGGER position_history_stands;
        UPDATE position_history SET exit_price = NULL, pnl_dollars = NULL, pnl_pct = NULL,
            win_loss_label = NULL, verified = false;
        ALTER TABLE position_history ENABLE TRIGGER position_history_stands"""
    with owner_db.transaction() as tx:
        tx.script(unprove)
    with pytest.raises(DatabaseError, match="its history changes once"):
        bench.run(f"{change}, quantity = quantity + 1")
    bench.run(change)
    with pytest.raises(DatabaseError, match="its history changes once"):
        bench.run(change)
    [event] = bench.rows("SELECT details FROM position_events WHERE kind = 'verified' "
                         "ORDER BY seq DESC LIMIT 1")  # fmt: skip
    assert event["details"]["pnl_dollars"] == 0


def test_a_changed_login_is_mended_at_the_next_start(
    postgres: EmbeddedPostgres, database_urls: DatabaseUrls, admin_db: Database
) -> None:
    news = Database(target_from_url(database_urls.news), application_name="tests")
    with closing(news), news.transaction() as tx:
        # No role can be kept from this.
        tx.execute("ALTER ROLE ops_pipeline_news PASSWORD 'taken'")
        tx.execute("ALTER ROLE ops_pipeline_news SET lock_timeout = '1h'")
        here = tx.one("SELECT current_database() AS name") or {}
        tx.execute(
            f"ALTER ROLE ops_pipeline_news IN DATABASE {here['name']} SET search_path = pg_catalog"
        )
    try:
        with admin_db.transaction() as tx:
            [found] = overview.altered_logins(tx)
        assert found == {"login": "ops_pipeline_news", "what": "has settings of its own"}
    finally:
        local.ensure_roles(postgres.url)
    again = Database(target_from_url(database_urls.news), application_name="tests")
    with closing(again), again.transaction() as tx:
        mended = tx.one("SELECT current_user AS who, current_setting('search_path') AS path")
        assert mended == {"who": "ops_pipeline_news", "path": '"$user", public'}
    with admin_db.transaction() as tx:
        assert overview.altered_logins(tx) == []


def test_each_stage_logs_in_as_its_group(database_urls: DatabaseUrls) -> None:
    runtime = Runtime(database_urls.variables(), FixedClock(_NOON), owner="tests")
    with closing(runtime):
        for stage in STAGES:
            if stage.login in ("migration", "reader"):
                continue
            with runtime.serving(stage.name):
                [found] = runtime.database.read("SELECT current_user AS who")
            assert found["who"] == ROLES[stage.login]
        assert runtime.database.read("SELECT current_user AS who") == [{"who": Role.WRITER.value}]
