"""Half the spread and the square-root law, by hand."""

from decimal import Decimal

import pytest

from ops_pipeline.domain.costs.impact import half_spread, impact_bps


@pytest.mark.parametrize(
    ("bid", "ask", "half"),
    [("10.00", "10.03", "0.015"), ("10.00", "10.00", "0"), ("10.02", "10.00", "0")],
)
def test_half_the_spread_is_never_negative(bid: str, ask: str, half: str) -> None:
    assert half_spread(Decimal(bid), Decimal(ask)) == Decimal(half)


@pytest.mark.parametrize(
    ("quantity", "volume", "volatility", "bps"),
    [
        (100, 10_000_000, 0.02, 0.632456),
        (10_000, 1_000_000, 0.02, 20.0),
        (0, 1_000_000, 0.02, 0.0),
        (1_000, 1_000, 0.01, 100.0),
        (1, 1, 0.02, 200.0),
    ],
)
def test_impact_by_hand(quantity: float, volume: float, volatility: float, bps: float) -> None:
    assert impact_bps(quantity, volume, volatility) == pytest.approx(bps, abs=1e-6)


def test_an_impact_on_an_unknown_volume_is_an_error() -> None:
    with pytest.raises(ValueError, match="above 0"):
        impact_bps(1, 0, 0.02)
