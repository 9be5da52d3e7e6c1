"""Returns, drawdowns, ratios and statistics of trades, by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.performance import estimates, ratios, returns, trades
from ops_pipeline.domain.performance.results import SessionResult, TradeResult
from ops_pipeline.domain.performance.returns import Drawdown
from ops_pipeline.domain.performance.tear_sheet import tear_sheet

OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
TRADE = TradeResult(
    account="large",
    ticker="NVDA",
    entered_at=OPEN,
    exited_at=OPEN + timedelta(minutes=30),
    notional=Decimal(1_000),
    pnl=Decimal(10),
)


def sessions(*results: str, equity: int = 1_000) -> list[SessionResult]:
    """One a day from 27 February 2026 on, each on this equity: 10 is a return of 1 %."""
    first = date(2026, 2, 27)
    return [
        SessionResult(first + timedelta(days=day), Decimal(equity), Decimal(pnl))
        for day, pnl in enumerate(results)
    ]


def at(minute: int, until: int, **changes: object) -> TradeResult:
    times = {
        "entered_at": OPEN + timedelta(minutes=minute),
        "exited_at": OPEN + timedelta(minutes=until),
    }
    return replace(TRADE, **times, **changes)  # type: ignore[arg-type] # fields by name


class TestReturns:
    def test_a_return_is_the_result_over_the_equity_it_was_earned_on(self) -> None:
        assert sessions("25")[0].simple_return == 0.025

    @pytest.mark.parametrize("equity", [0, -1])
    def test_no_equity_has_no_return(self, equity: int) -> None:
        with pytest.raises(ValueError, match=r"opening_equity of 2026-02-27 is .*, expected > 0"):
            _ = sessions("25", equity=equity)[0].simple_return

    def test_returns_compound(self) -> None:
        assert returns.compounded([0.1, -0.1]) == pytest.approx(-0.01)
        assert returns.compounded([]) == 0
        assert returns.curve([0.1, -0.1]) == pytest.approx([1.1, 0.99])

    def test_months_compound_each_on_its_own_oldest_first(self) -> None:
        days = sessions("100", "100", "-50")
        assert returns.by_month(days[::-1]) == {
            "2026-02": pytest.approx(0.21),
            "2026-03": pytest.approx(-0.05),
        }


class TestDrawdowns:
    def test_the_deepest_and_the_longest_may_be_two(self) -> None:
        days = sessions("100", "-200", "300", "-10", "-10", "5")
        first = days[0].day
        assert returns.deepest_drawdown(days) == Drawdown(
            depth=pytest.approx(0.2),  # type: ignore[arg-type]
            began=first,
            deepest=first + timedelta(days=1),
            recovered=first + timedelta(days=2),
            sessions=2,
        )
        assert returns.longest_drawdown(days) == Drawdown(
            depth=pytest.approx(1 - 0.99**2),  # type: ignore[arg-type]
            began=first + timedelta(days=2),
            deepest=first + timedelta(days=4),
            recovered=None,
            sessions=3,
        )

    def test_a_fall_from_the_start_has_no_session_at_its_high(self) -> None:
        fall = returns.deepest_drawdown(sessions("-10", "-10"))
        assert fall is not None
        assert (fall.began, fall.sessions, fall.recovered) == (None, 2, None)

    def test_of_equal_ones_the_first_counts(self) -> None:
        days = sessions("-100", "200", "-100", "200")
        for fall in (returns.deepest_drawdown(days), returns.longest_drawdown(days)):
            assert fall is not None
            assert fall.deepest == days[0].day

    def test_a_curve_that_never_fell_has_none(self) -> None:
        assert returns.deepest_drawdown(sessions("1", "0", "2")) is None
        assert returns.longest_drawdown([]) is None

    @given(st.lists(st.integers(-900, 900), min_size=1, max_size=40))
    def test_it_is_never_deeper_than_everything(self, results: list[int]) -> None:
        fall = returns.deepest_drawdown(sessions(*map(str, results)))
        assert fall is None or 0 < fall.depth < 1


class TestEstimates:
    def test_a_mean_comes_with_its_standard_error(self) -> None:
        found = estimates.mean([1.0, 2.0, 3.0, 6.0])
        assert (found.value, found.count) == (3.0, 4)
        assert found.standard_error == pytest.approx((14 / 3) ** 0.5 / 2)

    def test_one_observation_has_no_error_and_none_no_mean(self) -> None:
        assert estimates.mean([5.0]) == estimates.Estimate(5.0, None, 1)
        assert estimates.mean([]) == estimates.Estimate(None, None, 0)
        assert estimates.share(0, 0) == estimates.Estimate(None, None, 0)

    def test_a_share_is_in_doubt_even_where_all_hit(self) -> None:
        half = estimates.share(50, 100)
        assert half.value == 0.5
        assert half.standard_error == pytest.approx((0.0025 + 1 / 40_000) ** 0.5 / 1.01)
        assert estimates.share(3, 3).standard_error == pytest.approx(1 / 6 / (4 / 3))


class TestRatios:
    def test_returns_that_do_not_vary_have_no_ratio(self) -> None:
        for flat in ([], [0.01], [0.0, 0.0], [0.01] * 30):
            assert ratios.sharpe(flat) == estimates.Estimate(None, None, len(flat))

    def test_without_a_loss_there_is_no_sortino(self) -> None:
        assert ratios.sortino([0.01, 0.02]) == estimates.Estimate(None, None, 2)
        assert ratios.sortino([-0.01]) == estimates.Estimate(None, None, 1)
        assert ratios.sortino([]) == estimates.Estimate(None, None, 0)

    def test_a_symmetric_series_with_mean_zero_is_zero_with_an_error_of_one_over_root_n(
        self,
    ) -> None:
        found = ratios.sharpe([0.01, -0.01] * 126)
        assert found.value == pytest.approx(0)
        assert found.standard_error == pytest.approx(1.0)  # a year: root of 252 over 252

    def test_a_fat_left_tail_widens_the_error(self) -> None:
        calm = ratios.sharpe([0.02, -0.01] * 50)
        crash = ratios.sharpe([0.006] * 99 + [-0.1])
        assert calm.value is not None
        assert crash.value is not None
        assert calm.standard_error is not None
        assert crash.standard_error is not None
        # Per unit of the ratio: a crash is seen once, so the mean is known less well.
        assert crash.standard_error / crash.value > 1.5 * calm.standard_error / calm.value


class TestTrades:
    def test_statistics_are_after_costs(self) -> None:
        found = trades.statistics(
            [
                at(0, 30, pnl=Decimal(30), costs=Decimal(1), r_multiple=1.5),
                at(0, 60, pnl=Decimal("0.50"), costs=Decimal(1), r_multiple=0.1),
                at(0, 90, pnl=Decimal(-10), costs=Decimal(1)),
            ]
        )
        assert (found.trades, found.gross, found.costs, found.net) == (
            3,
            Decimal("20.50"),
            Decimal(3),
            Decimal("17.50"),
        )
        assert found.win_rate.value == pytest.approx(1 / 3)
        assert found.profit_factor == pytest.approx(29 / 11.5)
        assert found.expectancy_usd.value == pytest.approx(17.5 / 3)
        assert found.expectancy_bps.value == pytest.approx(175 / 3)
        assert found.expectancy_r.value == pytest.approx(0.8)
        assert found.expectancy_r.count == 2
        assert found.cost_share == pytest.approx(3 / 20.5)
        assert found.holding_minutes == 60

    def test_what_cannot_be_known_is_none(self) -> None:
        none = trades.statistics([])
        assert none.trades == 0
        assert (none.profit_factor, none.cost_share, none.holding_minutes) == (None, None, None)
        won = trades.statistics([at(0, 1, pnl=Decimal(1))])
        assert won.profit_factor is None
        even = trades.statistics([at(0, 1, pnl=Decimal(0))])
        assert (even.cost_share, even.profit_factor, even.win_rate.value) == (None, None, 0)

    def test_groups_are_told_by_name(self) -> None:
        found = trades.grouped(
            [at(0, 1, ticker="NVDA"), at(0, 1, ticker="AMD"), at(2, 3, ticker="NVDA")],
            lambda trade: trade.ticker,
        )
        assert [(name, group.trades) for name, group in found.items()] == [("AMD", 1), ("NVDA", 2)]

    def test_overlapping_minutes_count_once(self) -> None:
        assert trades.minutes_in_market([at(0, 30), at(10, 20), at(25, 40), at(50, 60)]) == 50
        assert trades.minutes_in_market([]) == 0

    def test_turnover_counts_both_sides(self) -> None:
        both = [at(0, 1, pnl=Decimal(100)), at(1, 2, pnl=Decimal(-100))]
        assert trades.turnover(both, Decimal(10_000), 2) == pytest.approx(0.2)
        assert trades.turnover(both, Decimal(0), 2) is None
        assert trades.turnover(both, Decimal(10_000), 0) is None

    @pytest.mark.parametrize(
        ("value", "name"),
        [(0.6, "0.60-0.70"), (0.69, "0.60-0.70"), (0.7, "0.70-0.80"), (0.0, "0.00-0.10")],
    )
    def test_a_value_on_the_border_belongs_to_the_range_above(
        self, value: float, name: str
    ) -> None:
        assert trades.bucket(value, 0.1) == name

    def test_a_trait_that_is_not_told_is_unknown(self) -> None:
        assert replace(TRADE, traits=(("exit_rule", "stop"),)).trait("exit_rule") == "stop"
        assert TRADE.trait("exit_rule") == "unknown"


class TestTearSheet:
    def test_a_day_without_a_trade_is_a_return_of_zero(self) -> None:
        days = sessions("10", "0", "-5")
        trade = replace(TRADE, traits=(("exit_rule", "stop"),))
        sheet = tear_sheet("large", days[::-1], [trade], session_minutes=1_170)
        assert (sheet.first, sheet.last, sheet.sessions) == (days[0].day, days[2].day, 3)
        assert sheet.net == 5
        assert sheet.total_return == pytest.approx(1.01 * 0.995 - 1)
        assert sheet.sharpe.count == 3
        assert sheet.exposure == pytest.approx(30 / 1_170)
        assert sheet.turnover == pytest.approx(2_010 / 1_000 / 3)
        assert {name: list(found) for name, found in sheet.groups.items()} == {
            "ticker": ["NVDA"],
            "hour": ["09:00"],
            "exit_rule": ["stop"],
            "confidence": ["unknown"],
            "sentiment": ["unknown"],
        }

    def test_a_range_without_sessions_and_a_day_told_twice_are_refused(self) -> None:
        with pytest.raises(ValueError, match="account large: no session"):
            tear_sheet("large", [], [], session_minutes=390)
        with pytest.raises(ValueError, match="account large: two results of 2026-02-27"):
            tear_sheet("large", sessions("1") * 2, [], session_minutes=780)
