"""Runs days with all their sets of parameters, on as many processes as are given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ops_local.backtest import checks
from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.plan import Variant
from ops_local.backtest.results import DayOutcome, outcome_of
from ops_local.backtest.session import DayTrading, run
from ops_local.backtest.tape_pass import NotBacktested
from ops_local.recordings import recording as recordings
from ops_local.replay_environment import ACCOUNTS, bounds_of
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.domain.costs.fee_table import NoFeeRate
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.execution.isolation import isolated, what_failed

CheckKind = Literal["lookahead", "warmup"]

_FORESEEN = (recordings.InvalidRecording, NotBacktested, NoFeeRate)
# As of a replay, so that both name an order alike.
_DEPLOYMENT = "replay"


@dataclass(frozen=True, slots=True)
class RefusedDay:
    """A recording that was not backtested, and why."""

    recording: str
    reason: str


def run_all(
    folders: Sequence[Path], variants: Sequence[Variant], jobs: int
) -> Iterator[DayOutcome | RefusedDay]:
    """Each day with each set, in the order of both; a day is read once for all its sets.

    Whatever a day's recording causes refuses that day alone.
    """
    work = partial(_run_day, variants)
    if jobs == 1:
        for folder in folders:
            yield from work(folder)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for outcomes in pool.map(work, folders):
            yield from outcomes


def check_all(
    folders: Sequence[Path], variant: Variant, kinds: Sequence[CheckKind]
) -> Iterator[tuple[str, list[str]]]:
    """By recording what was found where it knows more than it could; nothing where all is well."""
    for folder in folders:
        found = isolated(partial(_check_day, variant, kinds, folder))
        yield folder.name, [_reason(found)] if isinstance(found, Exception) else found


def _check_day(variant: Variant, kinds: Sequence[CheckKind], folder: Path) -> list[str]:
    recording = recordings.load(folder)
    inputs = DayInputs(recording, variant.rules, bounds_of(recording.day))
    return [it for kind in kinds for it in _CHECKS[kind](inputs, variant)]


def _run_day(variants: Sequence[Variant], folder: Path) -> Sequence[DayOutcome | RefusedDay]:
    found = isolated(partial(_played, variants, folder))
    return [RefusedDay(folder.name, _reason(found))] if isinstance(found, Exception) else found


def _played(variants: Sequence[Variant], folder: Path) -> list[DayOutcome]:
    found: list[DayOutcome] = []
    inputs: DayInputs | None = None
    recording = recordings.load(folder)
    for variant in variants:
        inputs = _inputs(recording, variant.rules, inputs)
        found.append(backtest(inputs, variant))
    return found


def _reason(error: Exception) -> str:
    """What is foreseen says it in a sentence."""
    return str(error) if isinstance(error, _FORESEEN) else what_failed(error)


def _inputs(
    recording: recordings.Recording, rules: Parameters, known: DayInputs | None
) -> DayInputs:
    """The day's inputs, those known already where these rules change nothing of them."""
    fresh = DayInputs(recording, rules, bounds_of(recording.day))
    return known if known is not None and known.is_as(fresh) else fresh


def backtest(inputs: DayInputs, variant: Variant) -> DayOutcome:
    """One day with one set of parameters."""
    return outcome_of(traded(inputs, variant), variant.label)


def traded(inputs: DayInputs, variant: Variant) -> DayTrading:
    """The books at the end of one day with one set of parameters."""
    # As a replay numbers them: what it ships with is the first version.
    version = 1 if variant.rules == Parameters() else 2
    parameters = Versioned(version, variant.rules)
    trading = DayTrading(inputs, ACCOUNTS, parameters, deployment=_DEPLOYMENT)
    run(trading)
    return trading


_CHECKS: Mapping[CheckKind, Callable[[DayInputs, Variant], list[str]]] = {
    "lookahead": lambda inputs, variant: checks.look_ahead(inputs, variant, traded),
    "warmup": lambda inputs, _: checks.warm_up(inputs),
}
