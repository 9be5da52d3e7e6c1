"""The embedded Postgres server: started or adopted by each process, stopped by the last one.

A server that a killed process left running is adopted, never started twice: each process that
uses a folder holds a shared lock on it, which the kernel releases with the process, and the last
one shuts the server down.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ops_local.locks import NOW, LockTaken, open_lock, take
from ops_local.postgres.home import (
    SystemUser,
    copy_where_reachable,
    find_binaries,
    reachable_folder,
    server_account,
)
from ops_local.postgres.postmaster import Postmaster, read_postmaster
from ops_local.postgres.process import SUPERUSER, initialise, serve
from ops_pipeline.errors import DatabaseUnavailable, SettingsInvalid

_READY_WITHIN_S = 30.0
_POLL_S = 0.01
# Temporary: another program took the port, or children of a killed server still hold its memory.
_TEMPORARY = ("could not bind", "already in use", "pre-existing shared memory block")


class EmbeddedPostgres:
    """One server and its data under `folder`; also a context manager.

    Args:
        folder: Holds data, log, locks and the superuser's password (0600).
        dies_with_us: The server ends with this process, also after kill -9: for tests.
        binaries: Folder of `postgres` and `initdb`; searched for if None.
        patience_s: How long another process may take to start or stop the server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dies_with_us: bool = False,
        binaries: Path | None = None,
        patience_s: float = 120,
    ) -> None:
        self._asked = folder.resolve()
        self._dies_with_us = dies_with_us
        self._binaries = binaries
        self._patience_s = patience_s
        self._in_use: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = self._asked
        self._port = 0

    def start(self) -> Self:
        """Adopt the running server or start one; returns once it accepts connections.

        Raises:
            SettingsInvalid: there are no binaries, or the folder is not accessible.
            DatabaseUnavailable: the server did not start; the end of its log is in the message.
        """
        if self._in_use is not None:
            return self
        try:
            self._folder = reachable_folder(self._asked)
            with self._one_at_a_time(), ExitStack() as undo:
                self._in_use = undo.enter_context(open_lock(self._folder / "in_use.lock"))
                undo.callback(self._forget)
                self._take(self._in_use, shared=True)
                self._keep_password()
                self._port = self._running_port() or self._launch()
                undo.pop_all()
        except PermissionError as error:
            raise SettingsInvalid(
                f"no access to {error.filename}: run ops as the user who owns it, or choose "
                "another OPS_HOME"
            ) from error
        return self

    def stop(self) -> None:
        """Shut the server down, unless another process still uses it."""
        if self._in_use is None:
            return
        with self._one_at_a_time():
            held, self._in_use = self._in_use, None
            with held, suppress(LockTaken):
                take(held, within_s=NOW)
                self._shut_down()

    @property
    def url(self) -> str:
        """The superuser's login to the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{self._port}/postgres"

    @property
    def postmaster_pid(self) -> int | None:
        """Process id of the running server."""
        found = read_postmaster(self._data)
        return found.pid if found is not None else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with open_lock(self._folder / "starting.lock") as lock:
            self._take(lock)
            yield

    def _take(self, lock: IO[str], *, shared: bool = False) -> None:
        try:
            take(lock, shared=shared, within_s=self._patience_s)
        except LockTaken:
            raise DatabaseUnavailable(
                f"another process has been starting or stopping this server for "
                f"{self._patience_s:g} s: it holds {lock.name}"
            ) from None

    def _keep_password(self) -> None:
        """A file of an older version belongs to the server's user, who needs it no more."""
        file, folder = self._folder / "superuser_password", self._folder.stat()
        if os.geteuid() == 0 and file.exists():
            os.chown(file, folder.st_uid, -1, follow_symlinks=False)

    def _forget(self) -> None:
        self._in_use = None

    def _password(self) -> str:
        return (self._folder / "superuser_password").read_text().strip()

    def _running_port(self) -> int | None:
        """The port of a running server; waits for one that is starting or stopping."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while (found := read_postmaster(self._data)) is not None:
            if found.ready:
                return found.port
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"Postgres is still starting or stopping: {self._log}")
            time.sleep(_POLL_S)
        return None

    def _launch(self) -> int:
        account = server_account(self._data)
        binaries = self._binaries or find_binaries(self._data)
        binaries = copy_where_reachable(binaries, self._folder, account)
        if not self._data.exists():
            initialise(self._folder, binaries, account)
        # Left by a dead server; Postgres would mistake a reused process id for a live server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        deadline = time.monotonic() + _READY_WITHIN_S
        while (ready := self._try_port(binaries, account, deadline)) is None:
            logged = self._log.read_text(errors="replace")[-2000:]
            if time.monotonic() > deadline or not any(words in logged for words in _TEMPORARY):
                raise DatabaseUnavailable(f"Postgres did not start: {logged.strip()}")
            time.sleep(0.1)
        return ready.port

    def _try_port(
        self, binaries: Path, account: SystemUser | None, deadline: float
    ) -> Postmaster | None:
        """Start the server once; None if it ended again."""
        self._process = serve(
            binaries, self._data, self._log, account, dies_with_us=self._dies_with_us
        )
        while self._process.poll() is None and time.monotonic() < deadline:
            found = read_postmaster(self._data)
            if found is not None and found.ready:
                return found
            time.sleep(_POLL_S)
        return None

    def _shut_down(self) -> None:
        """Fast shutdown: disconnects clients, loses nothing that was committed."""
        found = read_postmaster(self._data)
        if found is not None:
            os.kill(found.pid, signal.SIGINT)
        deadline = time.monotonic() + _READY_WITHIN_S
        while read_postmaster(self._data) is not None:
            if self._process is not None:
                self._process.poll()
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"Postgres does not stop: {self._log}")
            time.sleep(_POLL_S)
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(_READY_WITHIN_S)
