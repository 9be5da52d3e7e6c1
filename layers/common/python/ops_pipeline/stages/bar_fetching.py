"""Fetches slices of bars side by side within one time budget."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Semaphore
from time import monotonic

from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar
from ops_pipeline.domain.prices.bar_slices import BarSlice
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.ports import MarketData

SIDE_BY_SIDE = 8
# Answers that may wait to be stored: bounds memory however many slices there are.
_MOST_WAITING = 16

SliceAnswer = Listing[Bar] | MarketDataUnavailable


def in_slices(
    slices: Sequence[BarSlice], market_data: MarketData, *, patience_s: float, ends_at: float
) -> Iterator[tuple[BarSlice, SliceAnswer | None]]:
    """Yield each slice's answer, or None when the time was over before there was one.

    Within `patience_s` they come in the order given, so that a replay always sees the same
    order; after it as they complete, so that a slow one keeps no other from being stored.

    Args:
        ends_at: When the time is over, on `time.monotonic`.
    """
    room = Semaphore(_MOST_WAITING)

    def fetch(part: BarSlice) -> SliceAnswer | None:
        if not room.acquire(timeout=max(0.0, ends_at - monotonic())):
            return None
        answer = isolated(lambda: market_data.bars(part.tickers, part.start, part.end))
        if isinstance(answer, Exception) and not isinstance(answer, MarketDataUnavailable):
            return MarketDataUnavailable(f"unforeseen {what_failed(answer)}")
        return answer

    if not slices:
        return
    pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
    try:
        waiting = {pool.submit(fetch, part): part for part in slices}
        patient_until = min(ends_at, monotonic() + patience_s)
        while waiting and monotonic() < ends_at:
            done = _next(list(waiting), patient_until, ends_at)
            if done is not None:
                yield waiting.pop(done), done.result()
                room.release()
        for part in waiting.values():
            yield part, None
    finally:
        # A request ends by its own time-out; no need to wait for it.
        pool.shutdown(wait=False, cancel_futures=True)


def _next(
    waiting: Sequence[Future[SliceAnswer | None]], patient_until: float, ends_at: float
) -> Future[SliceAnswer | None] | None:
    """The first of them while there is patience, else the first that is done."""
    wait(waiting[:1], timeout=max(0.0, patient_until - monotonic()))
    if waiting[0].done():
        return waiting[0]
    wait(waiting, timeout=max(0.0, ends_at - monotonic()), return_when=FIRST_COMPLETED)
    return next((future for future in waiting if future.done()), None)
