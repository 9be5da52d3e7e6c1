"""Finds the changes of the deciding code that no test notices: `make mutation`.

Words as arguments choose the modules whose names contain one; only a run of all writes the page.
"""

import sys
import time

from tests.mutation import results, runner
from tests.mutation.results import LEAST_SCORE_PCT, Outcome
from tests.mutation.runner import Target
from tests.mutation.targets import TARGETS


def main(words: list[str]) -> int:
    """Run the targets; 1 when one fails unchanged, or its survivors are too many or unexplained."""
    targets = [t for t in TARGETS if not words or any(word in t.module for word in words)]
    if not targets:
        _say(f"no module is named like {' or '.join(words)}")
        return 2
    runner.prepare()
    outcomes = []
    for target in targets:
        if not runner.passes(target):
            _say(f"{target.module}: its tests fail without any change")
            return 1
        outcomes.append(_outcome(target))
    if not words:
        results.PAGE.write_text(results.page(outcomes, results.reasons()))
    return _verdict(outcomes)


def _outcome(target: Target) -> Outcome:
    started = time.perf_counter()
    tried = target.mutants()
    found = {mutant.name for mutant in runner.survivors(target, tried)}
    survived = tuple(mutant.name for mutant in tried if mutant.name in found)
    outcome = Outcome(target.module, len(tried), survived, time.perf_counter() - started)
    _say(
        f"{outcome.module}: {outcome.score_pct:.1f} % of {outcome.tried} changes noticed,"
        f" {outcome.seconds:.0f} s"
    )
    return outcome


def _verdict(outcomes: list[Outcome]) -> int:
    known, wrong = results.reasons(), False
    for outcome in outcomes:
        for name in results.without_a_reason(outcome, known):
            wrong = True
            _say(f"{outcome.module}: nothing notices {name}")
        for name in results.killed_after_all(outcome, known):
            wrong = True
            _say(f"{outcome.module}: listed as a survivor, and noticed or gone: {name}")
    score = results.score_pct(outcomes)
    _say(f"{score:.1f} % in {sum(outcome.seconds for outcome in outcomes):.0f} s")
    return 1 if wrong or score < LEAST_SCORE_PCT else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
