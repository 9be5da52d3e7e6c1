"""The state folder: the embedded server, recordings, replays, and which of them is meant.

It is OPS_HOME if that is set. Inside a project it is `.ops` there: in the nearest folder, from the
working directory up, that has a `.ops` or holds this program. Elsewhere it is a folder of the
user's own, so that a command never creates an empty database in whatever folder it is typed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops_local.locks import NOW, LockTaken, open_lock, take
from ops_local.postgres.home import has_data, make_private
from ops_pipeline.errors import InvalidInput

DEFAULT = ".ops"
# The database of the live pipeline on the embedded server.
LIVE = "ops"

_PROGRAM = Path(__file__).resolve().parent.parent


class AlreadyUp(RuntimeError):
    """Another `ops up` is using this state folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder; created when it is first written to."""

    folder: Path

    def recording(self, name: str) -> Path:
        return self.folder / "recordings" / name

    def replay(self, name: str) -> Path:
        """The folder of one replay: the exchange's store and the pipeline's log."""
        make_private(self.folder)
        folder = self.folder / "replays" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def recording_of(self, replay: str) -> str | None:
        """The content of the recording that has this replay's name; None where nobody has it."""
        found = _read(self._recording_file(replay))
        return str(found["content"]) if found else None

    def keep_recording(self, replay: str, content: str) -> None:
        """That recording has this replay's name from now on."""
        _write(self._recording_file(replay), {"content": content})

    def _recording_file(self, replay: str) -> Path:
        return self.folder / "replays" / replay / "recording.json"

    @property
    def live(self) -> Path:
        """The folder of the live pipeline's log."""
        folder = self.folder / "live"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def replay_names(self) -> list[str]:
        """The replays of this home, sorted."""
        folder = self.folder / "replays"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    @property
    def has_server(self) -> bool:
        """Whether an embedded server was ever started here."""
        return has_data(self.folder / "postgres")

    @property
    def current_replay(self) -> str | None:
        """The replay that finished last; verbs mean it where no pipeline is live."""
        found = _read(self.folder / "current.json")
        return str(found["database"]) if found else None

    def make_current(self, replay: str) -> None:
        _write(self.folder / "current.json", {"database": replay})

    def forget_current(self, replay: str) -> None:
        """That replay's database is about to be replaced."""
        if self.current_replay == replay:
            (self.folder / "current.json").unlink()

    @property
    def live_server(self) -> str | None:
        """Where the live pipeline of this folder has its database; None if there is none.

        LIVE on the embedded server, else the address of the server that it was given.
        """
        found = _read(self.folder / "live.json")
        return str(found["server"]) if found else None

    def make_live(self, server: str) -> None:
        _write(self.folder / "live.json", {"server": server})

    @contextmanager
    def up(self) -> Iterator[Callable[[str], None]]:
        """Hold the folder's lock; the kernel releases it however the process ends.

        Yields a function that says which replay is being played, if it is one.

        Raises:
            AlreadyUp: another `ops up` holds it.
        """
        make_private(self.folder)
        with open_lock(self._lock) as held:
            try:
                take(held, within_s=NOW)
            except LockTaken:
                raise AlreadyUp(
                    f"ops up runs already in {self.folder}: stop that one first"
                ) from None
            held.truncate(0)

            def playing(replay: str) -> None:
                held.write(json.dumps({"playing": replay}))
                held.flush()

            yield playing

    @property
    def is_up(self) -> bool:
        """Whether an `ops up` runs in this folder now."""
        if not self._lock.exists():
            return False
        with self._lock.open() as lock:
            try:
                take(lock, shared=True, within_s=NOW)
            except LockTaken:
                return True
        return False

    @property
    def playing(self) -> str | None:
        """The replay that an `ops up` plays now; None also if it runs the live pipeline."""
        found = _read(self._lock) if self.is_up else None
        return found["playing"] if found else None

    @property
    def _lock(self) -> Path:
        return self.folder / "up.lock"


def home_of(variables: Mapping[str, str]) -> Home:
    """The state folder of an environment and the working directory.

    Raises:
        InvalidInput: OPS_HOME or a default names something that is not a folder.
    """
    home = Home(_folder(variables))
    if home.folder.exists() and not home.folder.is_dir():
        raise InvalidInput(f"the state folder {home.folder} is not a folder: set OPS_HOME")
    return home


def places(variables: Mapping[str, str]) -> str:
    """Where a state folder is looked for, for a message."""
    if variables.get("OPS_HOME"):
        return f"OPS_HOME is {variables['OPS_HOME']}"
    user = _of_user(variables)
    return f"OPS_HOME is not set; looked for {DEFAULT} in {Path.cwd()} and above" + (
        f", and for {user}" if user else ""
    )


def _folder(variables: Mapping[str, str]) -> Path:
    if given := variables.get("OPS_HOME"):
        return Path(given).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / DEFAULT).is_dir() or folder == _PROGRAM:
            return Path(DEFAULT) if folder == here else folder / DEFAULT
    return _of_user(variables) or Path(DEFAULT)


def _of_user(variables: Mapping[str, str]) -> Path | None:
    """The user's own state folder, by the XDG rules; None without a home directory."""
    if state := variables.get("XDG_STATE_HOME"):
        return Path(state) / "ops-pipeline"
    home = variables.get("HOME")
    return Path(home) / ".local" / "state" / "ops-pipeline" if home else None


def _read(file: Path) -> dict[str, Any] | None:
    """The object in a small JSON file; None if there is none, or half of one after a crash."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(file: Path, facts: dict[str, str]) -> None:
    make_private(file.parent)
    partial = file.with_suffix(".new")
    partial.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    partial.replace(file)
