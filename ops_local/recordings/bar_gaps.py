"""How long a session's tickers go without a bar: what GateRules.thin_bar_age_s was chosen by.

    python -m ops_local.recordings.bar_gaps RECORDING...

A gap is a run of minutes of the regular session in which a ticker has no bar, from the open to
the close, those of half days included as the calendar has them.
"""

import sys
from collections import Counter
from collections.abc import Sequence

from ops_local.recordings.quote_bounds import with_sessions
from ops_local.recordings.recording import Recording
from ops_pipeline.domain.market import MINUTE, Session

_LENGTHS = (1, 3, 4, 5, 10)


def gaps(recording: Recording, session: Session) -> Counter[int]:
    """How many gaps of so many minutes there are, over all of its tickers."""
    found: Counter[int] = Counter()
    for bars in recording.bars.values():
        seen = session.opens_at - MINUTE
        for at in [*(bar.ts for bar in bars if session.is_open(bar.ts)), session.closes_at]:
            found[int((at - seen) / MINUTE) - 1] += 1
            seen = at
    del found[0]
    return found


def minutes(recording: Recording, session: Session) -> int:
    """Ticker-minutes of the session."""
    return len(recording.bars) * int((session.closes_at - session.opens_at) / MINUTE)


def main(folders: Sequence[str]) -> None:
    """Print the share of minutes without a bar, and of gaps up to some lengths."""
    found, all_minutes = Counter[int](), 0
    for _, recording, session in with_sessions(folders):
        found += gaps(recording, session)
        all_minutes += minutes(recording, session)
    missing, count = sum(length * times for length, times in found.items()), found.total()
    lines = [f"{all_minutes:,} ticker-minutes, {missing / all_minutes:.2%} without a bar"]
    lines += [f"{count:,} gaps"]
    for most in _LENGTHS:
        upto = sum(times for length, times in found.items() if length <= most)
        lines.append(f"at most {most} minutes: {upto / max(count, 1):.1%}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
