"""How many shares: the least of every bound, rounded down, half-Kelly by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain import sizing
from ops_pipeline.domain.parameters import SizingRules
from ops_pipeline.domain.sizing import SizingRoom

RULES = SizingRules()
ROOMY = SizingRoom(
    equity=Decimal(100_000),
    exposure_left=Decimal(10_000),
    buying_power=Decimal(50_000),
    position_notional=Decimal(2_000),
    fractional=False,
)


def size(limit: str = "100", risk: float = 0.01, stop: float = 0.02, **room: object) -> sizing.Size:
    return sizing.stock_size(
        Decimal(limit),
        risk=risk,
        stop_distance=stop,
        room=replace(ROOMY, **room),  # type: ignore[arg-type] # fields by name
    )


@pytest.mark.parametrize(
    ("room", "quantity", "bound"),
    [
        ({}, 20, "position_notional"),
        ({"exposure_left": Decimal(1_550)}, 15, "exposure_left"),
        ({"buying_power": Decimal(999)}, 9, "buying_power"),
        ({"equity": Decimal(1_000)}, 5, "risk_budget"),
        ({"exposure_left": Decimal(99)}, 0, "exposure_left"),
        ({"buying_power": Decimal(-500)}, 0, "buying_power"),
    ],
)
def test_the_least_bound_gives_the_size_and_its_name(
    room: dict[str, object], quantity: int, bound: str
) -> None:
    found = size(**room)  # type: ignore[arg-type] # fields by name
    assert (int(found.quantity), found.bound) == (quantity, bound)


def test_the_risk_budget_is_what_the_stop_would_cost() -> None:
    """1 % of $10,000 is $100; a stop 2 % under $100 costs $2 a share: 50 shares."""
    found = size(equity=Decimal(10_000), position_notional=Decimal(99_999))
    assert found.allowed["risk_budget"] == 50


def test_what_each_bound_allows_is_shown_to_the_hundredth_of_a_share() -> None:
    allowed = size("300", equity=Decimal(10_000)).allowed
    assert {name: str(shares) for name, shares in allowed.items()} == {
        "risk_budget": "16.67",
        "position_notional": "6.67",
        "exposure_left": "33.33",
        "buying_power": "166.67",
    }


def test_an_elevated_regime_halves_and_rounds_down() -> None:
    found = sizing.stock_size(
        Decimal(110), risk=0.01, stop_distance=0.02, room=ROOMY, factor=RULES.elevated_vix_factor
    )
    assert found.quantity == 9  # 2000 / 110 = 18.18, half of it 9.09


def test_a_fraction_of_a_share_only_where_the_account_allows_it() -> None:
    assert size("3000").quantity == 0
    assert size("3000", fractional=True).quantity == Decimal("0.666666")


@pytest.mark.parametrize(("limit", "stop"), [("0", 0.02), ("-1", 0.02), ("100", 0.0)])
def test_there_is_no_size_from_a_bad_price_or_stop(limit: str, stop: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        size(limit, stop=stop)


money = st.decimals(-1_000, 200_000, places=2)
rooms = st.builds(
    SizingRoom,
    equity=money,
    exposure_left=money,
    buying_power=money,
    position_notional=money,
    fractional=st.booleans(),
)


@given(
    limit=st.decimals("0.0001", 5_000, places=4).filter(lambda price: price > 0),
    risk=st.floats(0.0001, 0.2),
    stop=st.floats(0.001, 0.5),
    room=rooms,
    factor=st.sampled_from([0.5, 1.0]),
)
def test_quantity_times_limit_never_passes_any_bound(
    *, limit: Decimal, risk: float, stop: float, room: SizingRoom, factor: float
) -> None:
    found = sizing.stock_size(limit, risk=risk, stop_distance=stop, room=room, factor=factor)
    cost = found.quantity * limit
    none = Decimal(0)
    assert cost >= 0
    for most in (room.exposure_left, room.buying_power, room.position_notional):
        assert cost <= max(most, none)
    budget = max(room.equity * Decimal(str(risk)), none)
    assert cost * Decimal(str(stop)) <= budget * (1 + Decimal("1e-20"))
    assert room.fractional or found.quantity == int(found.quantity)


@pytest.mark.parametrize(
    ("equity", "tier"),
    [
        ("0", "tiny"),
        ("2000", "tiny"),
        ("2000.01", "small"),
        ("5000", "small"),
        ("25000", "medium"),
        ("25000.01", "large"),
        ("9999999", "large"),
    ],
)
def test_a_tier_reaches_up_to_its_equity_inclusive(equity: str, tier: str) -> None:
    assert sizing.tier_of(Decimal(equity), RULES).name == tier


def test_a_ladder_without_a_last_tier_is_refused() -> None:
    with pytest.raises(ValueError, match="no upper end"):
        sizing.tier_of(Decimal(10_000), replace(RULES, tiers=RULES.tiers[:1]))


@pytest.mark.parametrize(
    ("results", "fraction"),
    [
        # p = 0.6, b = 2 / 1: f = 0.6 - 0.4 / 2 = 0.4, half of it 0.2.
        ([2.0] * 6 + [-1.0] * 4, 0.2),
        # p = 0.5, b = 1.5: f = 0.5 - 0.5 / 1.5 = 1/6, half of it 1/12.
        ([1.5] * 5 + [-1.0] * 5, 1 / 12),
        # p = 0.5, b = 3 / 2: f = 0.5 - 0.5 / 1.5 = 1/6, half of it 1/12.
        ([3.0] * 5 + [-2.0] * 5, 1 / 12),
        # p = 0.5, b = 1: no edge.
        ([1.0, -1.0], 0.0),
        # p = 0.3, b = 1: a losing game is not played.
        ([1.0] * 3 + [-1.0] * 7, 0.0),
        # A flat trade is no win: p = 1/4, b = 6: f = 1/4 - (3/4) / 6 = 1/8, half of it 1/16.
        ([6.0, -1.0, -1.0, 0.0], 1 / 16),
        ([-1.0] * 5, 0.0),
        ([0.0] * 5, 0.0),
        ([1.0] * 4, 0.5),
    ],
)
def test_half_kelly_by_hand(results: list[float], fraction: float) -> None:
    assert sizing.half_kelly(results) == pytest.approx(fraction)


SMALL = RULES.tiers[1]


@pytest.mark.parametrize(
    ("results", "share"),
    [
        ([1.0, -1.0] * 14, 0.12),  # 28 trades: too few to know
        ([1.0, -1.0] * 15, 0.03),  # no edge: a quarter of the tier's risk
        ([2.0] * 18 + [-1.0] * 12, 0.12),  # half-Kelly 0.2 is over the tier's risk
        ([1.2] * 18 + [-1.0] * 18, 0.5 / 12),  # (0.5 - 0.5 / 1.2) / 2 = 1/24
        ([-1.0] * 40 + [2.0] * 36 + [-1.0] * 24, 0.12),  # only the last 60 count
    ],
)
def test_after_thirty_trades_half_kelly_bounds_the_risk(results: list[float], share: float) -> None:
    assert sizing.risk_fraction(SMALL, "day_trade", results, RULES) == pytest.approx(share)


def test_a_swing_trade_has_its_own_risk() -> None:
    assert sizing.risk_fraction(SMALL, "swing_trade", [], RULES) == 0.08


@given(st.lists(st.floats(-50, 50), max_size=80))
def test_kelly_never_leaves_its_corridor(results: list[float]) -> None:
    for tier in RULES.tiers:
        share = sizing.risk_fraction(tier, "day_trade", results, RULES)
        assert tier.day_trade_risk / 4 <= share <= tier.day_trade_risk
