"""Lock files of the state folder: only their owner takes one, and nobody waits without end."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

NOW = 0.0
_POLL_S = 0.01


class LockTaken(Exception):
    """Another process held the lock for as long as was waited."""


def open_lock(file: Path) -> IO[str]:
    """Open a lock file, made for its owner alone: whoever may open it could hold it for ever."""

    def made(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    opened = open(file, "r+", encoding="utf-8", opener=made)  # noqa: SIM115 - Path has no opener
    if os.fstat(opened.fileno()).st_uid == os.geteuid():
        os.fchmod(opened.fileno(), 0o600)
    return opened


def take(lock: IO[str], *, shared: bool = False, within_s: float) -> None:
    """Hold the lock until it is closed; the kernel releases it however the process ends.

    Raises:
        LockTaken: another process held it for `within_s` seconds.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockTaken(str(lock.name)) from None
            time.sleep(_POLL_S)
        else:
            return
