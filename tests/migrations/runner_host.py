"""Runs the migration runner in a fresh process for each line it reads: `URL<tab>FOLDER`.

Answers with the new process's id, waits for a line, lets it go, and answers with how it
ended. One host for many runs, because starting Python takes longer than a run.
"""

import os
import sys
from contextlib import closing
from pathlib import Path

from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS, Runner
from ops_pipeline.errors import OpsError


def migrate(url: str, folder: Path) -> int:
    database = Database(target_from_url(url), application_name="doomed", limits=LIMITS)
    with closing(database):
        try:
            Runner(database, folder).up()
        except OpsError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


def serve() -> None:
    for line in sys.stdin:
        url, folder = line.rstrip("\n").split("\t")
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(readable, 1)
            os._exit(migrate(url, Path(folder)))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        os.write(writable, b"x")
        _, status = os.waitpid(child, 0)
        os.close(readable)
        os.close(writable)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
