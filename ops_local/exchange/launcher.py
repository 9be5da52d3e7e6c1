"""Starts the paper exchange as a process of its own and talks to its control side."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3

from ops_local.exchange.accounts import PaperAccount, dump

__all__ = ["ExchangeFailed", "PaperAccount", "RunningExchange", "start"]

_STOP_S = 5
_ANSWER_S = 30


class ExchangeFailed(RuntimeError):
    """The exchange did not start, or refused what its control side was asked."""


class RunningExchange:
    """A paper exchange that ends with this object's process at the latest."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=_ANSWER_S), retries=urllib3.Retry(0)
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def now(self) -> datetime:
        """The exchange's present moment, UTC."""
        return datetime.fromisoformat(self._ask("GET", "/control/clock")["now"])

    def set_clock(self, now: datetime) -> None:
        """Move its clock; resting orders are worked through on the way.

        Raises:
            ExchangeFailed: the moment lies before the one reached, or names no time zone.
        """
        self._ask("POST", "/control/clock", {"now": now.isoformat()})

    def set_faults(self, rules: Sequence[Mapping[str, Any]] = (), *, seed: int = 0) -> None:
        """From now on these rules go wrong, and no others (see `faults.Rule`).

        Raises:
            ExchangeFailed: a rule names no kind of fault.
        """
        self._ask("POST", "/control/faults", {"seed": seed, "rules": list(rules)})

    def faults_happened(self) -> dict[str, int]:
        """How often each kind has happened since the rules were set."""
        return self._ask("GET", "/control/faults")

    def add_activity(
        self, account: str, type_: str, amount: str, *, symbol: str | None = None
    ) -> None:
        """Move an account's money without a trade: CSD a deposit, CSW, FEE, DIV, INT, ...

        Args:
            amount: USD; under 0 when the account pays.

        Raises:
            ExchangeFailed: no such account or type, or the amount is no figure.
        """
        asked = {"account": account, "type": type_, "amount": amount, "symbol": symbol}
        self._ask("POST", "/control/activities", asked)

    def books(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of its store by table, as stored: money and moments are text.

        Tables: clock, accounts, orders, fills, cash_activities, positions, day_ends,
        closing_prices.
        """
        return self._ask("GET", "/control/books")

    def stop(self) -> None:
        """End it and wait until it is gone; harmless when it already is."""
        self._http.clear()
        if self._process.stdin is not None:
            with suppress(OSError):  # the reader may be gone: then it has ended already
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

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._http.request(method, self.url + path, json=body)
        if answer.status != 200:
            raise ExchangeFailed(f"{method} {path}: {answer.status} {answer.data.decode()}")
        return dict(answer.json())


def start(
    recording: Path, store: Path, accounts: Sequence[PaperAccount], log: Path
) -> RunningExchange:
    """Start an exchange over a recording and wait until it serves.

    The accounts travel through its standard input, which stays open as its lifeline.

    Raises:
        ExchangeFailed: it ended instead of starting; the message has the end of its log.
    """
    command = [sys.executable, "-m", "ops_local.exchange", "--accounts", "-"]
    command += ["--recording", str(recording), "--store", str(store)]
    with log.open("a", encoding="utf-8") as written:
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=written, text=True
        )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("a process without the pipes it was given")
    with suppress(BrokenPipeError):  # it died before reading: what it said is in the log
        process.stdin.write(dump(accounts) + "\n")
        process.stdin.flush()
    with process.stdout:
        ready = process.stdout.readline()
    if not ready:
        with suppress(OSError):
            process.stdin.close()
        process.wait()
        raise ExchangeFailed(f"the exchange did not start: {_tail(log)}")
    return RunningExchange(process, json.loads(ready)["url"])


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").splitlines()
    return lines[-1] if lines else "it said nothing"
