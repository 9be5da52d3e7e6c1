"""Starts the paper exchange as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ops_local.exchange.accounts import PaperAccount, dump
from ops_local.exchange.control_client import ControlClient, ExchangeFailed

__all__ = ["ExchangeFailed", "PaperAccount", "RunningExchange", "start"]

_STOP_S = 5


class RunningExchange(ControlClient):
    """A paper exchange process, with its control API; it ends with its parent at the latest."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        super().__init__(url, token)
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End the process and wait for it; harmless when it has ended already."""
        self._http.clear()
        if self._process.stdin is not None:
            with suppress(OSError):  # it may have ended already and closed its end
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    recording: Path, store: Path, accounts: Sequence[PaperAccount], log: Path
) -> RunningExchange:
    """Start an exchange over a recording and wait until it serves.

    The accounts go through its standard input, which stays open: when it closes, the
    exchange stops.

    Raises:
        ExchangeFailed: it ended instead of starting; the message is the last line of its log.
    """
    command = [sys.executable, "-m", "ops_local.exchange", "--accounts", "-"]
    command += ["--recording", str(recording), "--store", str(store)]
    with log.open("a", encoding="utf-8") as written:
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            # Ctrl-C ends the replay first, which then stops the exchange.
            start_new_session=True,
        )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("a process without the pipes it was given")
    with suppress(BrokenPipeError):  # it ended before reading: its log says why
        process.stdin.write(dump(accounts) + "\n")
        process.stdin.flush()
    with process.stdout:
        ready = process.stdout.readline()
    if not ready:
        with suppress(OSError):
            process.stdin.close()
        process.wait()
        raise ExchangeFailed(f"the exchange did not start: {_last_line(log)}")
    served = json.loads(ready)
    return RunningExchange(process, served["url"], served["control_token"])


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").splitlines()
    return lines[-1] if lines else "its log is empty"
