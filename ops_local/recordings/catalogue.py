"""What recordings there are: coverage, gaps, and what of each is recorded, modelled or made up."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from ops_local.recordings import bar_gaps
from ops_local.recordings.recording import Recording, load
from ops_local.recordings.tables import InvalidRecording
from ops_pipeline.domain.market import Session
from ops_pipeline.ports import Calendar

_SESSION_FILE = "session.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One folder of the catalogue; without a day it could not be read, and `problem` says why.

    Attributes:
        kind: "recorded", or "generated" from a seed.
        tickers: Those that it names; `silent` are the ones without a bar in the session.
        coverage: Share of the session's ticker-minutes with a bar; None without a session.
        longest_gap: Minutes of the session, over the tickers that have bars.
        quotes: "recorded", "modelled", "generated" or "none".
        sizes: What the file counts sizes of quotes in: "shares", "round_lots"; None without quotes.
        problem: That a day is no session, or what was wrong with the folder.
    """

    folder: Path
    day: date | None = None
    kind: str = "-"
    tickers: int = 0
    silent: tuple[str, ...] = ()
    bars: int = 0
    coverage: float | None = None
    gaps: int = 0
    longest_gap: int = 0
    quotes: str = "-"
    sizes: str | None = None
    news: int = 0
    halts: int = 0
    vix: bool = False
    source: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class MissingSessions:
    """Sessions in a row, from the first day to the last, without a recording."""

    first: date
    last: date
    sessions: int


def folders_in(place: Path) -> list[Path]:
    """The recordings in a folder, or below it in any depth; by path.

    A folder with session.json is one recording: what lies in it is not looked at.
    """
    if (place / _SESSION_FILE).exists():
        return [place]
    if not place.is_dir() or place.is_symlink():
        return []
    return [found for inner in sorted(place.iterdir()) for found in folders_in(inner)]


def catalogue(folders: Iterable[Path], calendar: Calendar) -> Iterator[Entry]:
    """One entry a folder, each by itself: one that cannot be read is told with its reason."""
    for folder in folders:
        try:
            recording = load(folder)
        except (InvalidRecording, OSError) as error:
            yield Entry(folder=folder, problem=str(error))
        else:
            yield _entry(recording, calendar.session(recording.day))


def missing(entries: Sequence[Entry], calendar: Calendar) -> list[MissingSessions]:
    """Stretches of sessions between the first day and the last that no entry has."""
    days = {entry.day for entry in entries if entry.day is not None}
    if not days:
        return []
    between = (max(days) - min(days)).days
    every = (min(days) + timedelta(days=number) for number in range(between))
    sessions = [day for day in every if calendar.session(day) is not None]
    stretches = (list(group) for held, group in groupby(sessions, days.__contains__) if not held)
    return [MissingSessions(found[0], found[-1], len(found)) for found in stretches]


def _entry(recording: Recording, session: Session | None) -> Entry:
    entry = Entry(
        folder=recording.folder,
        day=recording.day,
        kind="generated" if recording.synthetic else "recorded",
        tickers=len(recording.tickers),
        bars=sum(map(len, recording.bars.values())),
        quotes=_quotes(recording),
        sizes=recording.quote_sizes if any(recording.quotes.values()) else None,
        news=len(recording.news),
        halts=len(recording.halts),
        vix=recording.vix_previous_close is not None,
        source=recording.source,
    )
    if session is None:
        return replace(entry, problem=f"the exchange was closed on {recording.day}")
    return _with_coverage(entry, recording, session)


def _with_coverage(entry: Entry, recording: Recording, session: Session) -> Entry:
    open_bars = {
        ticker: [bar for bar in bars if session.is_open(bar.ts)]
        for ticker, bars in recording.bars.items()
    }
    quoted = {ticker: bars for ticker, bars in open_bars.items() if bars}
    gaps = bar_gaps.gaps(replace(recording, bars=quoted), session)
    minutes = bar_gaps.minutes(recording, session)
    return replace(
        entry,
        silent=tuple(sorted(set(recording.tickers) - set(quoted))),
        coverage=sum(map(len, open_bars.values())) / minutes,
        gaps=gaps.total(),
        longest_gap=max(gaps, default=0),
    )


def _quotes(recording: Recording) -> str:
    if not any(recording.quotes.values()):
        return "none"
    if recording.synthetic:
        return "generated"
    return "modelled" if recording.quotes_modelled else "recorded"
