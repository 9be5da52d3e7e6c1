"""The paper exchange in a thread of the tests: the same server without a start of Python each."""

import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ops_local.exchange.control_client import ControlClient
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.launcher import ExchangeFailed, PaperAccount, RunningExchange
from ops_local.exchange.server import serve

_START_S = 30
_STOP_S = 10


class ExchangeThread(RunningExchange):
    """Serves as a process would, until it is stopped; a test of kills wants `launcher.start`."""

    def __init__(self, recording: Path, store: Path, accounts: Sequence[PaperAccount]) -> None:
        self._port = _free_port()
        ControlClient.__init__(self, f"http://127.0.0.1:{self._port}", secrets.token_urlsafe(24))
        self._failure: Exception | None = None
        self._read, self._write = os.pipe()
        arguments = (recording, store, tuple(accounts))
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()
        self._wait()

    @property
    def pid(self) -> int:
        raise AssertionError("this exchange has no process of its own")

    def stop(self) -> None:
        self._http.clear()
        if self._write >= 0:
            os.close(self._write)
            self._write = -1
        self._thread.join(_STOP_S)

    def _run(self, recording: Path, store: Path, accounts: Sequence[PaperAccount]) -> None:
        try:
            exchange = Exchange(recording, store, accounts)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._failure = error
            return
        serve(exchange, port=self._port, parent_pipe=self._read, control_token=self.token)
        os.close(self._read)

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self._failure is not None:
                raise ExchangeFailed(f"the exchange cannot start: {self._failure}")
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return
        raise ExchangeFailed("the exchange did not start")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
