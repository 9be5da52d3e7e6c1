"""Replays a day in a process of its own, which a test kills on the way."""

import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from ops_local.home import Home
from tests.conftest import ROOT

DAY = "2013-10-08"
PARAMS = "lively.json"
UNTIL = (10, 50)


def start(home: Home, recording: Path, last: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.replay.child", str(home.folder), str(recording)]
    return subprocess.Popen([*command, PARAMS, last], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def minutes_until_killed(process: subprocess.Popen[str], minutes: int, delay_s: float) -> bool:
    """Kill the process within the minute after so many; False when it ended before."""
    assert process.stdout is not None
    for _ in range(minutes):
        if not process.stdout.readline():
            break  # it has ended, and there is nobody to kill
    return _is_killed(process, delay_s)


def killed_at(process: subprocess.Popen[str], moment: datetime, delay_s: float) -> bool:
    """Kill the process within the minute of `moment`; False when it ended before."""
    assert process.stdout is not None
    for line in process.stdout:
        if datetime.fromisoformat(line.strip()) >= moment:
            break
    return _is_killed(process, delay_s)


def _is_killed(process: subprocess.Popen[str], delay_s: float) -> bool:
    assert process.stdout is not None
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    return process.wait() != 0
