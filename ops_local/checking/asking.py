"""Calls functions for checks: here or in a stack, each call by itself and within a time.

Whatever a call raises, or that it does not end, stays with that call.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, NoReturn, TypeVar

from ops_local import deployed
from ops_local.pipeline import Pipeline
from ops_pipeline.domain.deployment.findings import CheckResult
from ops_pipeline.execution.isolation import in_words
from ops_pipeline.ports import Clock
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime

# Longer than the time-out of each function that is asked.
LIMIT_S = 75.0
_LONGEST_S = 300.0

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, object]], Mapping[str, Any]]
Work = Callable[[], Iterable[CheckResult]]


def at_stack(stack: str) -> Ask:
    """Calls the functions of a deployed stack."""
    return lambda stage, event: deployed.call(stack, stage, event)


def in_process(variables: Mapping[str, str], clock: Clock) -> Ask:
    """Calls the same handlers here, each call in a thread with connections of its own."""

    def invoke(stage: str, event: Mapping[str, object]) -> Mapping[str, Any]:
        with closing(Runtime(variables, clock, owner="console")) as runtime:
            wiring.use_in_thread(runtime)
            return Pipeline().invoke(stage, event)

    return lambda stage, event: within(_LONGEST_S, partial(invoke, stage, event))


def tried(subject: str, work: Work, limit_s: float = LIMIT_S) -> Iterator[CheckResult]:
    """What the work finds; bad, with its words, where it raises or does not end in time.

    It runs in a thread of its own, which is left to itself when its time is over.
    """
    try:
        yield from within(limit_s, lambda: list(work()))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
        yield CheckResult("bad", subject, in_words(error))


def within(limit_s: float, work: Callable[[], T]) -> T:
    """The result of the work, which runs in a thread of its own.

    Raises:
        TimeoutError: it has not ended; the thread is left to itself.
        Exception: what the work raised.
    """
    done: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
    threading.Thread(target=_run, args=(work, done), daemon=True).start()
    try:
        result = done.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"no end within {limit_s:g} s") from None
    return result()


def _run(work: Callable[[], T], done: "queue.SimpleQueue[Callable[[], T]]") -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        done.put(partial(_raise, error))
    else:
        done.put(lambda: result)


def _raise(error: BaseException) -> NoReturn:
    raise error
