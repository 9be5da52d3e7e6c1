"""The state folder: the embedded server, recordings, replays, and which database is current."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT = ".ops"


@dataclass(frozen=True, slots=True)
class Home:
    """OPS_HOME, made when it is first written to."""

    folder: Path

    def recording(self, name: str) -> Path:
        return self.folder / "recordings" / name

    def replay(self, name: str) -> Path:
        """The folder of one replay: the exchange's store and the pipeline's log."""
        folder = self.folder / "replays" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def replay_names(self) -> list[str]:
        """The replays of this home, sorted."""
        folder = self.folder / "replays"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    @property
    def current_database(self) -> str | None:
        """The embedded database that verbs without a URL mean: the last replay's."""
        file = self._current
        return str(json.loads(file.read_text())["database"]) if file.exists() else None

    def make_current(self, database: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._current.write_text(json.dumps({"database": database}) + "\n")

    @property
    def _current(self) -> Path:
        return self.folder / "current.json"


def home_of(variables: Mapping[str, str]) -> Home:
    """The state folder that an environment names."""
    return Home(Path(variables.get("OPS_HOME", DEFAULT)))
