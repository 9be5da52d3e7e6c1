"""`ops backup` and `ops restore`: a database of this machine as one file, and back."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops_local.backups import archive
from ops_local.backups.archive import Manifest
from ops_local.backups.backup import back_up
from ops_local.backups.restoring import Restore
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.home import AlreadyUp
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import target_from_url

_MIB = 1 << 20


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE",
        help="a new file; if omitted, one in the state folder named after the moment",
    )  # fmt: skip


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what `ops backup` wrote")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--as", dest="name", metavar="NAME", help="a new database of this name")
    where.add_argument(
        "--set-aside",
        action="store_true",
        help="rename the live database instead of refusing one that is not empty",
    )
    parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")


def _backup(call: VerbCall) -> int:
    """Write the file and say its size and counts."""
    file = call.args.file or _default_file(call)
    sys.stderr.write(f"{call.target.place('acts').title}\n")
    with call.target.urls("acts") as urls:
        file.parent.mkdir(parents=True, exist_ok=True)
        manifest = back_up(urls.owner, file, data=_data(call), clock=call.clock)
    _tell(call, f"{file}: {file.stat().st_size / _MIB:.1f} MiB", file, manifest)
    return Exit.GOOD


def _restore(call: VerbCall) -> int:
    """Restore, and say what to do next; nobody trades there meanwhile."""
    with call.home.up(), _server(call) as (admin_url, name):
        restore = Restore(
            admin_url=admin_url,
            name=name if call.args.name is None else call.args.name,
            migrations=call.settings.migrations_dir,
            data=_data(call),
            clock=call.clock,
            operator=call.operator,
            set_aside=call.args.set_aside,
        )
        manifest, aside = restore.run(call.args.file)
        if restore.name == name and call.target.place("sets up").server is None:
            call.home.make_live(name)
    _tell(call, f"restored as {restore.name}", call.args.file, manifest)
    if aside is not None:
        sys.stderr.write(f"What was there before is the database {aside} now.\n")
    sys.stderr.write(
        "Entries are halted. The position manager compares it with the broker each minute; "
        "`ops resume` lets entries in once both agree.\n"
    )
    return Exit.GOOD


@contextmanager
def _server(call: VerbCall) -> Iterator[tuple[str, str]]:
    """A login that may create databases, and the name of the live one."""
    place = call.target.place("sets up")
    sys.stderr.write(f"{place.title}\n")
    if place.server is not None:
        yield place.server, target_from_url(place.server).database
        return
    archive.require_backup(call.args.file)
    with EmbeddedPostgres(call.home.folder / "postgres") as server:
        yield server.url, str(place.name)


def _default_file(call: VerbCall) -> Path:
    return call.home.folder / "backups" / f"ops-{call.clock.now():%Y%m%dT%H%M%SZ}.backup"


def _data(call: VerbCall) -> Path:
    return call.home.folder / "postgres" / "data"


def _tell(call: VerbCall, done: str, file: Path, manifest: Manifest) -> None:
    rows = sum(manifest.rows.values())
    if call.json:
        call.print_json(
            {
                "file": str(file),
                "size_bytes": file.stat().st_size,
                "taken_at": manifest.taken_at.isoformat(),
                "sha256": manifest.sha256,
                "rows": dict(manifest.rows),
            }
        )
        return
    sys.stdout.write(
        f"{done}, {rows} rows in {len(manifest.rows)} tables, as of "
        f"{manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, sha256 {manifest.sha256}\n"
    )


BACKUP = Command(_backup, _backup_arguments)
RESTORE = Command(_restore, _restore_arguments, (AlreadyUp,))
