"""Fetches many feeds concurrently within one time budget, the requests to one host apart."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Semaphore
from time import monotonic, sleep

from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.ports import NewsFeed

# Most of a fetch is waiting for the feed's server.
SIDE_BY_SIDE = 32
# Responses that may wait to be stored: bounds memory however many feeds there are.
MOST_WAITING = 64
# Of the budget; what is left is for its answer.
_LATEST_START = 0.5

Fetched = FeedDocument | FeedUnavailable


def fetched(
    due: Sequence[FeedState],
    feed: NewsFeed,
    *,
    patience_s: float,
    budget_s: float,
    not_before_s: Sequence[float] = (),
) -> Iterator[tuple[FeedState, Fetched | None]]:
    """Yield each feed's response, or None when the budget ran out before it was started.

    Args:
        not_before_s: When each may be started, seconds from now; all at once if left out.

    Feeds that answer within `patience_s` come in the order given, so that a replay, where
    all of them do, always sees the same order; slower ones follow as they complete.
    """
    began = monotonic()
    ends_at = began + budget_s
    room = Semaphore(MOST_WAITING)
    starts = list(not_before_s) or [0.0] * len(due)

    def fetch(state: FeedState, start_s: float) -> Fetched | None:
        # One that would begin too late to be answered is asked first in the next minute.
        if start_s > budget_s * _LATEST_START:
            return None
        sleep(max(0.0, began + start_s - monotonic()))
        if not room.acquire(timeout=max(0.0, ends_at - monotonic())):
            return None
        answer = isolated(lambda: feed.fetch(state))
        if isinstance(answer, Exception) and not isinstance(answer, FeedUnavailable):
            return FeedUnavailable(f"unforeseen {type(answer).__name__}: {answer}")
        return answer

    pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
    try:
        # The earliest first: a thread that waits for its host's turn must keep no other waiting.
        earliest = sorted(range(len(due)), key=lambda place: starts[place])
        futures = {place: pool.submit(fetch, due[place], starts[place]) for place in earliest}
        running = {futures[place]: state for place, state in enumerate(due)}
        for state, answer in _answers(running, patience_s, ends_at):
            yield state, answer
            room.release()
    finally:
        # The adapter closes the connection of a thread that still waits; no need to join it.
        pool.shutdown(wait=False, cancel_futures=True)


def _answers(
    running: dict[Future[Fetched | None], FeedState], patience_s: float, ends_at: float
) -> Iterator[tuple[FeedState, Fetched | None]]:
    wait(running, timeout=patience_s)
    while running and monotonic() < ends_at:
        wait(running, timeout=ends_at - monotonic(), return_when=FIRST_COMPLETED)
        for future in [future for future in running if future.done()]:
            # What others cost to store is spent from the same time.
            if monotonic() >= ends_at:
                break
            yield running.pop(future), future.result()
    for future, state in running.items():
        # Neither a fetch that never started nor an answer that waits is the feed's fault.
        blameless = future.cancel() or future.done()
        late = FeedUnavailable("no answer within the time for all feeds")
        yield state, None if blameless else late
