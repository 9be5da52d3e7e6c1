"""A replay in a process of its own, to be killed: `python -m tests.replay.child ...`."""

import sys
from datetime import datetime
from pathlib import Path

from ops_local.home import Home
from ops_local.recordings import recording as recordings
from tests.replay.conftest import run_day


def main(home: str, recording: str, params: str, last: str) -> None:
    """Replay until that moment, telling each minute on standard output."""
    day = recordings.load(Path(recording))

    def watch(at: datetime) -> None:
        sys.stdout.write(f"{at.isoformat()}\n")
        sys.stdout.flush()

    run_day(Home(Path(home)), day, params=params, last=datetime.fromisoformat(last), watch=watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
