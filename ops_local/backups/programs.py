"""Runs pg_dump and pg_restore, of the server's own installation, as an ordinary client."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ops_local.postgres.home import ENVIRONMENT, find_binaries
from ops_pipeline.db.driver.connection import ConnectionTarget
from ops_pipeline.errors import SettingsInvalid, StageFailed

_PIECE = 1 << 20


@contextmanager
def dumping(target: ConnectionTarget, snapshot: str, data: Path) -> Iterator[IO[bytes]]:
    """The dump of a database as of an exported snapshot, compressed, to be read to its end.

    Raises StageFailed when pg_dump fails; what was read is worth nothing then.
    """
    command = [_program("pg_dump", data), "--format=custom", "--no-owner", f"--snapshot={snapshot}"]
    with _process(command, target, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield process.stdout


def restore(target: ConnectionTarget, dump: IO[bytes], data: Path) -> None:
    """Restore a dump into a database without tables, in one transaction.

    Raises StageFailed when pg_restore fails, with its words; nothing is restored then.
    """
    command = [_program("pg_restore", data), "--no-owner", "--single-transaction"]
    command += ["--exit-on-error", f"--dbname={target.database}"]
    with _process(command, target, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            while piece := dump.read(_PIECE):
                process.stdin.write(piece)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has failed, and says why


@contextmanager
def _process(
    command: list[str],
    target: ConnectionTarget,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    login = {
        "PGHOST": str(target.host),
        "PGPORT": str(target.port),
        "PGUSER": target.user,
        "PGDATABASE": target.database,
        "PGPASSWORD": target.password or "",
    }
    with subprocess.Popen(  # noqa: S603 - our own command line, no shell words from outside
        command,
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **login},
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            raise StageFailed(
                f"{Path(command[0]).name}: {said.splitlines()[0] if said else 'failed'}"
            )


def _program(name: str, data: Path) -> str:
    program = find_binaries(data) / name
    if not program.exists():
        raise SettingsInvalid(
            f"there is no {name} beside {program.parent / 'postgres'}: install it"
        )
    return str(program)
