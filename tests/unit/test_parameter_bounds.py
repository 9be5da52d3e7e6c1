"""Every trading parameter has bounds, and what is out of them is refused by its name."""

import json
import math
from typing import Any

import pytest

from ops_pipeline.db.parameters import overlay
from ops_pipeline.domain.operations.parameter_bounds import (
    BOUNDS,
    ORDERED,
    field_of,
    numbers,
    out_of_bounds,
)
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput
from tests.conftest import ROOT

DEFAULTS = dict(numbers(Parameters()))
# As numbers() shows them; what a list holds is changed as a whole.
PLAIN = sorted(path for path in DEFAULTS if "[" not in path)


def changed(path: str, value: object) -> dict[str, Any]:
    section, name = path.split(".")
    return {section: {name: value}}


def test_each_number_has_bounds_and_each_bound_a_number() -> None:
    assert {field_of(path) for path in DEFAULTS} == set(BOUNDS)
    assert {path for pair in ORDERED for path in pair} <= set(DEFAULTS)


def test_the_shipped_parameters_are_within_them() -> None:
    assert out_of_bounds(Parameters()) == []


@pytest.mark.parametrize("path", PLAIN)
def test_what_is_below_or_above_is_refused_by_its_name(path: str) -> None:
    least, most = BOUNDS[path]
    for value in (math.ceil(least) - 1, int(most) + 1, -5):
        with pytest.raises(InvalidInput, match=f"{path} is {value:g}: it must be {least:g} to"):
            overlay(Parameters(), changed(path, value))


def test_a_take_profit_of_minus_five_runs_no_day() -> None:
    with pytest.raises(InvalidInput, match=r"exits\.take_profit is -5"):
        overlay(Parameters(), {"exits": {"take_profit": -5}})


def test_no_number_is_within_no_bounds() -> None:
    with pytest.raises(InvalidInput, match=r"exits\.stop_loss is nan"):
        overlay(Parameters(), {"exits": {"stop_loss": math.nan}})


@pytest.mark.parametrize("value", [True, "0.04", [0.04], {"a": 1}, 10**400])
def test_what_is_no_number_is_taken_for_none(value: object) -> None:
    """True would be a profit of 100 %."""
    with pytest.raises(InvalidInput, match=r"exits\.take_profit"):
        overlay(Parameters(), {"exits": {"take_profit": value}})


def test_an_item_of_a_list_is_named_by_its_place() -> None:
    tier = {"name": "any", "equity_up_to": None, "day_trade_risk": 5, "swing_trade_risk": 0.05}
    with pytest.raises(InvalidInput, match=r"sizing\.tiers\[0\]\.day_trade_risk is 5"):
        overlay(Parameters(), {"sizing": {"tiers": [{**tier, "most_contracts": 1}]}})


def test_of_two_that_have_an_order_the_first_is_not_above() -> None:
    with pytest.raises(InvalidInput, match=r"leave_score is 0\.9: it must be at most watchlist"):
        overlay(Parameters(), {"watchlist": {"leave_score": 0.9}})


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "replay" / "params").glob("*.json")))
def test_the_replays_parameters_are_within_them(file: Any) -> None:
    assert out_of_bounds(overlay(Parameters(), json.loads(file.read_text()))) == []
