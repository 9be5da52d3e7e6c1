"""How the targets did, which survivors have a reason, and the page that says so."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.runner import ROOT

PAGE = ROOT / "docs" / "mutation.md"
LISTED = Path(__file__).with_name("survivors.toml")
# Of all mutants of all targets, survivors with a reason included.
LEAST_SCORE_PCT = 90.0

_INTRODUCTION = """\
# Which changes of the deciding code no test notices

`make mutation` changes one thing at a time in the modules that decide whether, how much and
when is traded: a comparison, a sign, a number, a text, an argument, a statement left out. Then it
runs that module's own tests, which need no database. A change that no test notices survives.
Survivors either get a test, or a reason in [survivors.toml](../tests/mutation/survivors.toml);
one without a reason fails the run, and so does a score under {least:.0f} %. The score counts
survivors with a reason as survivors.

[Decision 45](decisions/0045-mutants-by-a-driver-of-our-own.md) says how it works. `make mutation`
writes this page.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One module's result; the names of its survivors in the order of its lines."""

    module: str
    tried: int
    survived: tuple[str, ...]
    seconds: float

    @property
    def score_pct(self) -> float:
        return 100 * (1 - len(self.survived) / self.tried)


def reasons() -> dict[str, dict[str, str]]:
    """By module and mutant, why no test notices it."""
    found: dict[str, dict[str, str]] = {}
    for entry in tomllib.loads(LISTED.read_text())["survivors"]:
        known = found.setdefault(entry["module"], {})
        known |= dict.fromkeys(entry["mutants"], entry["reason"])
    return found


def without_a_reason(outcome: Outcome, known: dict[str, dict[str, str]]) -> list[str]:
    return [name for name in outcome.survived if name not in known.get(outcome.module, {})]


def killed_after_all(outcome: Outcome, known: dict[str, dict[str, str]]) -> list[str]:
    """Listed survivors that a test notices by now: the list is to be shortened."""
    return [name for name in known.get(outcome.module, {}) if name not in outcome.survived]


def score_pct(outcomes: Sequence[Outcome]) -> float:
    """Of all modules together; by it a small module does not weigh like a large one."""
    survived = sum(len(outcome.survived) for outcome in outcomes)
    return 100 * (1 - survived / sum(outcome.tried for outcome in outcomes))


def page(outcomes: Sequence[Outcome], known: dict[str, dict[str, str]]) -> str:
    return "\n".join(
        [
            _INTRODUCTION.format(least=LEAST_SCORE_PCT),
            *_table(outcomes),
            "",
            *_survivors(outcomes, known),
        ]
    )


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| module | changes | noticed | survived | score |"
    yield "|---|---|---|---|---|"
    for outcome in outcomes:
        yield _row(f"`{_short(outcome.module)}`", outcome.tried, len(outcome.survived))
    tried = sum(outcome.tried for outcome in outcomes)
    yield _row("all", tried, sum(len(outcome.survived) for outcome in outcomes))


def _row(name: str, tried: int, survived: int) -> str:
    score = 100 * (1 - survived / tried)
    return f"| {name} | {tried} | {tried - survived} | {survived} | {score:.1f} % |"


def _survivors(outcomes: Sequence[Outcome], known: dict[str, dict[str, str]]) -> Iterator[str]:
    yield "## The survivors"
    yield ""
    yield "| module | function and change | why no test notices it |"
    yield "|---|---|---|"
    for outcome in outcomes:
        for name in outcome.survived:
            reason = known.get(outcome.module, {}).get(name, "**no reason yet**")
            yield f"| `{_short(outcome.module)}` | `{_escaped(name)}` | {reason} |"
    yield ""


def _short(module: str) -> str:
    return module.removeprefix("ops_pipeline.")


def _escaped(name: str) -> str:
    """So that a bar within the code ends no cell of the table."""
    return name.replace("|", "\\|")
