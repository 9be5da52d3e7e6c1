"""Reads the lock file of a Postgres data folder and checks it against the running processes."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_FIRST_PORT_LINE = 3
_STATUS_LINE = 7


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server process; `port` is 0 until it has one."""

    pid: int
    port: int
    ready: bool


def read_postmaster(data: Path) -> Postmaster | None:
    """Return the live server of that data folder, or None.

    A lock file outlives a killed server, and its process id may have been reused: only a
    process whose command line names this folder counts.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if os.fsencode(data) not in _command_line(pid):
        return None
    complete = len(lines) > _STATUS_LINE
    return Postmaster(
        pid=pid,
        port=int(lines[_FIRST_PORT_LINE]) if complete else 0,
        ready=complete and lines[_STATUS_LINE].strip() == "ready",
    )


def _command_line(pid: int) -> bytes:
    """A process's command line; empty if it has ended or is a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
    # No /proc, as on macOS.
    return subprocess.run(  # noqa: S603 - a number is the only word that varies
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    ).stdout
