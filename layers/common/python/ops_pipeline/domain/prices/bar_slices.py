"""Which bars are asked for at a tick, in requests that each take little time and memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ops_pipeline.domain.bars import fetch_from
from ops_pipeline.domain.parameters import TelemetryRules

# Together 6,000 bars, which fit one page of Alpaca's answer.
TICKERS_A_SLICE = 200
LONGEST = timedelta(minutes=30)
# So many are asked for at a time.
_A_TURN = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BarSlice:
    """One request: bars of these tickers with start <= ts < end."""

    tickers: tuple[str, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class UnaskedMinutes:
    """Minutes of a ticker that were not asked for yet, start <= ts < end."""

    ticker: str
    start: datetime
    end: datetime


def newest_slices(
    tickers: Iterable[str], newest: Mapping[str, datetime], upto: datetime, rules: TelemetryRules
) -> list[BarSlice]:
    """The last minutes of every ticker: since a while before its own newest bar, at most `LONGEST`.

    A ticker that is far behind is asked for together with others like it, so that it makes no
    other's answer longer.

    Args:
        newest: The newest bar of this day of each ticker that has one.
    """
    earliest = max(fetch_from(upto, None, rules), upto - LONGEST)
    starts = {
        ticker: max(earliest, fetch_from(upto, newest[ticker], rules))
        if ticker in newest
        else earliest
        for ticker in tickers
    }
    in_order = sorted(starts, key=lambda ticker: (upto - starts[ticker], ticker))
    found = (
        BarSlice(some, min(starts[ticker] for ticker in some), upto)
        for some in _in_requests(in_order)
    )
    return [each for each in found if each.start < each.end]


def in_turn(slices: Sequence[BarSlice], tick: datetime) -> list[BarSlice]:
    """The same, begun elsewhere each minute.

    Where the time does not suffice for all of them it is not for ever the same that have none.
    """
    if not slices:
        return []
    minute = int((tick - _EPOCH) / timedelta(minutes=1))
    first = minute * _A_TURN % len(slices)
    return [*slices[first:], *slices[:first]]


def older_slices(unasked: Iterable[UnaskedMinutes]) -> list[BarSlice]:
    """What is missing of the day, half hour by half hour, the newest first."""
    halves: defaultdict[datetime, dict[str, UnaskedMinutes]] = defaultdict(dict)
    for each in unasked:
        for piece in _by_half_hour(each):
            its = halves[_half_hour(piece.start)]
            its[piece.ticker] = _both(piece, its.get(piece.ticker))
    return [
        BarSlice(
            tuple(some),
            min(halves[half][ticker].start for ticker in some),
            max(halves[half][ticker].end for ticker in some),
        )
        for half in sorted(halves, reverse=True)
        for some in _in_requests(sorted(halves[half]))
    ]


def asked_twice_until(upto: datetime) -> datetime:
    """Minutes before then are asked for once more, by whole half hours that are over for as long.

    Bars come late and are corrected while their ticker goes on trading.
    """
    return _half_hour(upto - LONGEST)


def _by_half_hour(unasked: UnaskedMinutes) -> Iterator[UnaskedMinutes]:
    start = unasked.start
    while start < unasked.end:
        end = min(unasked.end, _half_hour(start) + LONGEST)
        yield UnaskedMinutes(unasked.ticker, start, end)
        start = end


def _both(one: UnaskedMinutes, other: UnaskedMinutes | None) -> UnaskedMinutes:
    """From the earlier start to the later end."""
    if other is None:
        return one
    return UnaskedMinutes(one.ticker, min(one.start, other.start), max(one.end, other.end))


def _half_hour(moment: datetime) -> datetime:
    return moment - (moment - _EPOCH) % LONGEST


def _in_requests(tickers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for first in range(0, len(tickers), TICKERS_A_SLICE):
        yield tuple(tickers[first : first + TICKERS_A_SLICE])
