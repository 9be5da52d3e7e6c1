"""What a slow vendor may cost a run, which has other things to do and an end of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed

T = TypeVar("T")


@dataclass
class Patience:
    """So many seconds for all answers together."""

    left_s: float

    def ask(self, question: Callable[[], T]) -> T:
        """The answer, if it comes while there is patience.

        Raises:
            MarketDataUnavailable: it does not, and the request goes on until its own time-out; or
                what the question raised, foreseen or not.
        """
        if self.left_s <= 0:
            raise MarketDataUnavailable("not asked: earlier answers took too long")
        began, may_take = monotonic(), self.left_s
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            future = pool.submit(question)
            wait([future], timeout=may_take)
            if not future.done():
                raise MarketDataUnavailable(f"no answer within {may_take:.1f} s")
            answer = isolated(future.result, passing=(MarketDataUnavailable,))
            if isinstance(answer, Exception):
                raise MarketDataUnavailable(f"unforeseen {what_failed(answer)}")
            return answer
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self.left_s -= monotonic() - began
