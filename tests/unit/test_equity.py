"""The line of the page: what was sold less what was bought, and what is held at the mid."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from ops_local.page.equity import EquityFill, EquityMark, Held, equity

_ID = UUID(int=1)
_OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)


def _at(minute: int) -> datetime:
    return _OPEN + timedelta(minutes=minute)


def _held(*, multiplier: int = 1, unproved: bool = False) -> Held:
    return Held(_ID, "large", "CVX", _at(1), multiplier, Decimal(10), Decimal(100), unproved)


def _fill(minute: int, side: str, quantity: int, price: int) -> EquityFill:
    return EquityFill(
        _ID, _at(minute), "buy" if side == "buy" else "sell", Decimal(quantity), Decimal(price)
    )


def _gains(*events: EquityFill | EquityMark, held: Held | None = None) -> list[Decimal]:
    fills = [event for event in events if isinstance(event, EquityFill)]
    marks = [event for event in events if isinstance(event, EquityMark)]
    return [point.gain for point in equity([held or _held()], fills, marks)]


def test_a_partial_sale_is_counted_once_as_cash_and_no_more_as_held() -> None:
    gains = _gains(
        _fill(1, "buy", 10, 100),
        EquityMark(_ID, _at(2), Decimal(102)),
        _fill(3, "sell", 4, 103),
        EquityMark(_ID, _at(4), Decimal(101)),
        _fill(5, "sell", 6, 99),
    )
    # 10 x 2; 4 x 3 + 6 x 2; 4 x 3 + 6 x 1; 4 x 3 - 6 x 1
    assert gains == [0, 20, 24, 18, 6]


def test_an_option_is_worth_a_hundred_shares_a_contract() -> None:
    marked = EquityMark(_ID, _at(2), Decimal(101))
    assert _gains(_fill(1, "buy", 10, 100), marked, held=_held(multiplier=100)) == [0, 1000]


def test_an_adopted_position_counts_from_the_price_it_was_found_at() -> None:
    assert _gains(EquityMark(_ID, _at(2), Decimal(103))) == [0, 30]


def test_a_position_closed_without_proof_is_left_out() -> None:
    assert _gains(_fill(1, "buy", 10, 100), held=_held(unproved=True)) == []


def test_every_account_has_a_point_at_every_minute() -> None:
    other = Held(UUID(int=2), "tiny", "KO", _at(2), 1, Decimal(1), Decimal(50), False)
    points = equity(
        [_held(), other], [_fill(1, "buy", 10, 100)], [EquityMark(_ID, _at(3), Decimal(101))]
    )
    assert [(point.at, point.account, int(point.gain)) for point in points] == [
        (_at(1), "large", 0),
        (_at(1), "tiny", 0),
        (_at(2), "large", 0),
        (_at(2), "tiny", 0),
        (_at(3), "large", 10),
        (_at(3), "tiny", 0),
    ]
