"""Real days with livelier figures: the whole road from signal to history, on both accounts."""

import pytest

from tests.replay.conftest import Day, Replay

# All of them take minutes: one that ends at noon in every run, whole ones with make slow.
DAYS = (
    pytest.param(None, id="2013-10-07 to noon"),
    pytest.param("2013-10-07", marks=pytest.mark.slow),
    pytest.param("2013-10-10", marks=pytest.mark.slow),
    pytest.param("2014-06-06", marks=pytest.mark.slow),
)


@pytest.fixture(scope="session", params=DAYS)
def day(request: pytest.FixtureRequest) -> Day:
    if request.param is None:
        to_noon: Day = request.getfixturevalue("lively_day")
        return to_noon
    replayed: Replay = request.getfixturevalue("replayed")
    return replayed(request.param, "lively.json")


@pytest.mark.parametrize("account", ["large", "tiny"])
def test_signals_become_orders_fills_exits_and_history(day: Day, account: str) -> None:
    counts = {
        "bought": "SELECT count(*) FROM dispatch_executions WHERE account_name = :account",
        "signals": "SELECT count(*) FROM dispatch_recommendations WHERE account_name = :account",
        "entry fills": "SELECT count(*) FROM fills WHERE account_name = :account AND side = 'buy'",
        "exit fills": "SELECT count(*) FROM fills WHERE account_name = :account AND side = 'sell'",
        "history": "SELECT count(*) FROM position_history WHERE account_name = :account",
    }
    found = {name: day.value(sql, account=account) for name, sql in counts.items()}
    assert all(count > 0 for count in found.values()), found
    assert found["history"] == found["bought"]


def test_exits_come_from_more_than_one_rule(day: Day) -> None:
    rules = {row["exit_reason"] for row in day.rows("SELECT exit_reason FROM position_history")}
    assert len(rules) >= 2, rules


def test_the_caps_held_at_every_moment(day: Day) -> None:
    """Entries and exits replayed in the order of their fills, at cost."""
    rows = day.rows(
        """
        SELECT p.account_name, p.entry_time, p.closed_at, p.symbol,
               p.opened_quantity * p.entry_price * p.multiplier AS cost,
               a.max_positions, a.max_exposure
        FROM active_positions AS p JOIN accounts AS a USING (account_name)
        """
    )
    for row in rows:
        beside = [
            other
            for other in rows
            if other["account_name"] == row["account_name"]
            and other["entry_time"] <= row["entry_time"] < other["closed_at"]
        ]
        assert len({other["symbol"] for other in beside}) <= row["max_positions"]
        assert sum(other["cost"] for other in beside) <= row["max_exposure"]


def test_every_row_carries_the_overlay_s_version(day: Day) -> None:
    versions = day.rows("SELECT version, source FROM parameter_versions ORDER BY version")
    assert [row["source"] for row in versions] == ["default", "overlay"]
    for table in ("lane_features", "dispatch_recommendations", "orders", "active_positions"):
        used = day.rows(f"SELECT DISTINCT parameter_version FROM {table}")
        assert [row["parameter_version"] for row in used] == [versions[1]["version"]], table


def _is_whole(day: Day) -> bool:
    """Whether it went on to the reports after the close, beside those before the open."""
    return bool(day.value("SELECT count(*) FROM pipeline_runs WHERE stage = 'report'") > 1)


def test_what_was_charged_for_the_day_is_settled_on_its_orders(day: Day) -> None:
    """Of 2013 and 2014 the SEC's and FINRA's fees on sales; the shares are cents in sum."""
    charged = day.rows(
        "SELECT account_name, fee, sum(amount_usd) AS usd FROM broker_fees"
        " GROUP BY account_name, fee ORDER BY account_name, fee"
    )
    settled = day.rows(
        "SELECT account_name, fee, sum(settled_usd) AS usd FROM order_costs"
        " WHERE settled_usd IS NOT NULL GROUP BY account_name, fee ORDER BY account_name, fee"
    )
    assert charged == settled
    assert {row["fee"] for row in charged} == ({"SEC", "TAF"} if _is_whole(day) else set())
    assert all(row["usd"] > 0 and row["usd"] * 100 % 1 == 0 for row in charged)
    assert day.rows("SELECT message FROM alerts WHERE kind = 'fee_unexplained'") == []
    assert day.rows("SELECT message FROM alerts WHERE kind = 'cash_differs'") == []


def test_each_closed_position_has_a_net_result_below_its_gross_one(day: Day) -> None:
    found = day.rows(
        "SELECT pnl_dollars, fees_usd, pnl_net_dollars, fees_settled, half_spread_usd"
        " FROM position_results WHERE verified"
    )
    assert found
    for row in found:
        assert row["fees_settled"] == _is_whole(day)
        assert 0 < row["fees_usd"] == row["pnl_dollars"] - row["pnl_net_dollars"]
        assert row["half_spread_usd"] > 0
