"""Starts the programs of Postgres as the right user: initdb once, and the server."""

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO

from ops_local.postgres.home import ENVIRONMENT, SystemUser
from ops_pipeline.errors import DatabaseUnavailable

SUPERUSER = "ops_superuser"
# Killing the process loses nothing that the kernel already has, so fsync may be off, but not
# synchronous_commit. In the data folder, not on the command line: a live pipeline's turns them on.
_UNTIL_LIVE = "fsync = off\nfull_page_writes = off\n"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # Of one session; a runaway sort fails and does not fill the disk.
    "temp_file_limit": "1GB",
}
# Most memory of one server process, KiB, beside what all of them share: a statement that wants
# more fails alone, where otherwise the system ends whichever process is the largest.
MOST_MEMORY_KIB = 1_572_864
_LIMITED = f'ulimit -d {MOST_MEMORY_KIB}; exec "$@"'
# Runs the server and interrupts it when our end of the pipe closes, also after kill -9.
_LIFELINE = (
    'exec 3<&0; "$@" 3<&- </dev/null & p=$!; (read -r _ <&3; kill -INT "$p") 2>/dev/null & '
    'wait "$p"; s=$?; kill "$!" 2>/dev/null; exit "$s"'
)


def initialise(folder: Path, binaries: Path, account: SystemUser | None) -> None:
    """Create `folder/data`; it gets this name only once it is complete.

    Raises:
        DatabaseUnavailable: initdb failed; its output is in the message.
    """
    partial = folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    chosen = secrets.token_urlsafe(24)
    password = folder / "superuser_password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(chosen)
    if account is not None:
        os.chown(partial, account.uid, account.gid)
    options = ["-D", str(partial), "-U", SUPERUSER, "--pwfile=/dev/stdin"]
    options += ["-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
    output = b""
    for locale in ("C.UTF-8", "C"):
        command = [str(binaries / "initdb"), *options, f"--locale={locale}"]
        with _pipe_of(chosen, account) as told:
            process = _popen(command, account, stdin=told.fileno(), output=subprocess.PIPE)
            output, _ = process.communicate()
        if process.returncode == 0:
            with (partial / "postgresql.conf").open("a") as settings:
                settings.write(_UNTIL_LIVE)
            partial.rename(folder / "data")
            return
    raise DatabaseUnavailable(f"initdb failed: {output.decode(errors='replace').strip()}")


def serve(
    binaries: Path, data: Path, log: Path, account: SystemUser | None, *, dies_with_us: bool
) -> subprocess.Popen[bytes]:
    """Start a server on a free port; with `dies_with_us` it ends when its stdin does."""
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(_free_port())]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    command = ["/bin/sh", "-c", _LIMITED, "sh", *command]
    if dies_with_us:
        command = ["/bin/sh", "-c", _LIFELINE, "sh", *command]
    stdin = subprocess.PIPE if dies_with_us else subprocess.DEVNULL
    with log.open("wb") as output:
        return _popen(command, account, stdin=stdin, output=output)


def _popen(
    command: list[str], account: SystemUser | None, *, stdin: int, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C does not reach it."""
    return subprocess.Popen(  # noqa: S603 - our own command line, no shell words from outside
        command,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=ENVIRONMENT,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def _pipe_of(text: str, account: SystemUser | None) -> IO[bytes]:
    """The end of a pipe that has the text: what is in no file, the server can't read later."""
    end, writing = os.pipe()
    if account is not None:
        # /dev/stdin is opened anew, by its owner alone.
        os.fchown(end, account.uid, account.gid)
    with os.fdopen(writing, "w") as told:
        told.write(f"{text}\n")
    return os.fdopen(end, "rb")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
