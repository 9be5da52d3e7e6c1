"""Which database a verb that only reads is about: a named replay, a login, or the current one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.settings import read_settings


@contextmanager
def reader_url(
    variables: Mapping[str, str], replay: str | None, database_url: str | None
) -> Iterator[str]:
    """A reader's login, while its server runs.

    Args:
        variables: The environment.
        replay: Name of a replay on the embedded server (a folder of OPS_HOME/replays).
        database_url: A login that can read; wins over everything.

    Raises:
        InvalidInput: no replay of that name was ever run.
    """
    settings = read_settings(variables)
    home = Home(Path(variables.get("OPS_HOME", DEFAULT)))
    if url := database_url or (settings.database_reader_url if replay is None else None):
        yield url
        return
    if replay is not None and replay not in replay_names(home):
        known = ", ".join(replay_names(home)) or "none"
        raise InvalidInput(f"no replay is named {replay!r} in {home.folder}; there are: {known}")
    elsewhere = settings.database_url if replay is None else None
    name = replay or (None if elsewhere else home.current_database)
    with opened(home.folder, elsewhere, None, name) as urls:
        yield urls.reader


def replay_names(home: Home) -> list[str]:
    """The replays of this home, sorted."""
    folder = home.folder / "replays"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
