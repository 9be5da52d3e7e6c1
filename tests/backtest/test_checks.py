"""Look-ahead and history beyond the warm-up are found where they are planted."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ops_local.backtest import checks
from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.plan import Variant
from ops_local.backtest.running import traded
from ops_local.backtest.session import DayTrading
from ops_local.backtest.tape_pass import TickerBars, day_features
from ops_local.cli import main
from ops_local.replay_environment import bounds_of
from ops_local.synthetic import generate
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.parameters import FeatureRules, Parameters

DEFAULTS = Variant("", Parameters())


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> DayInputs:
    recording = generate(tmp_path_factory.mktemp("recordings") / "day", n_tickers=4)
    return DayInputs(recording, Parameters(), bounds_of(recording.day))


def a_minute_ahead(inputs: DayInputs, variant: Variant) -> DayTrading:
    """Each minute's features are those of the next one."""
    inputs = replace(inputs)
    known = {
        ticker: [_dated(later, now) for now, later in zip(its, [*its[1:], its[-1]], strict=True)]
        for ticker, its in inputs.features.items()
        if its
    }
    inputs.__dict__["features"] = known
    return traded(inputs, variant)


def _dated(row: Features, as_of: Features) -> Features:
    return Features(**{**{it: getattr(row, it) for it in row.__slots__}, "ts": as_of.ts})


def with_the_first_bar(
    bars: Mapping[str, TickerBars], session: Session, rules: FeatureRules
) -> dict[str, list[Features]]:
    """The session's first close slips into each window's mean."""
    return {
        ticker: [
            Features(
                **{
                    **{it: getattr(row, it) for it in row.__slots__},
                    "sma50": row.sma50 + float(bars[ticker].bars[0].close),
                }
            )
            for row in rows
        ]
        for ticker, rows in day_features(bars, session, rules).items()
    }


def test_a_day_as_it_is_knows_no_more_than_it_could(inputs: DayInputs) -> None:
    assert checks.look_ahead(inputs, DEFAULTS, traded) == []
    assert checks.warm_up(inputs) == []


def test_features_of_the_next_minute_are_found(inputs: DayInputs) -> None:
    found = checks.look_ahead(inputs, DEFAULTS, a_minute_ahead)
    assert any("future" in it for it in found)


def test_a_bar_before_the_window_is_found(inputs: DayInputs) -> None:
    found = checks.warm_up(inputs, with_the_first_bar)
    assert any("features change with older bars" in it for it in found)


def test_the_verb_says_what_was_checked(
    inputs: DayInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", str(inputs.recording.folder), "--check-lookahead", "--check-warmup"]
    assert main(words, {"OPS_HOME": str(tmp_path)}) == 0
    assert "day: good" in capsys.readouterr().out
