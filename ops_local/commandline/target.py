"""Which stack or database a verb speaks to, chosen in one way for all of them.

--stack NAME is a deployed stack, --database-url URL a login to any database, --replay NAME a
replay on the embedded server. Without one of them it is the database of DATABASE_READER_URL (for
verbs that only read) or DATABASE_URL, and where those are not set the embedded server's current
database.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pg8000.exceptions import DatabaseError

from ops_local import deployed
from ops_local.database import DatabaseUrls, opened
from ops_local.home import Home, home_of
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import (
    Database,
    Transaction,
    safe_to_raise,
    target_from_url,
)
from ops_pipeline.db.operations import overview
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.settings import Settings, read_settings

STACK, REPLAY, DATABASE_URL = "stack", "replay", "database_url"
OPTIONS = {
    STACK: ("NAME", "a deployed stack instead of this machine"),
    REPLAY: ("NAME", "a replay other than the last one"),
    DATABASE_URL: ("URL", "a login to another database than this machine's"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed stack, or one database; at most one of the three names is set.

    Attributes:
        stack: Name of a deployed stack.
        replay: Name of a replay on the embedded server (a folder of OPS_HOME/replays).
        database_url: A login; what it may do is what the verb can do.
    """

    variables: Mapping[str, str]
    stack: str | None = None
    replay: str | None = None
    database_url: str | None = None

    @property
    def settings(self) -> Settings:
        return read_settings(self.variables)

    @property
    def home(self) -> Home:
        return home_of(self.variables)

    @contextmanager
    def urls(self, migrations: Path | None = None) -> Iterator[DatabaseUrls]:
        """The logins to a database of this machine, while its server runs.

        Args:
            migrations: Applied first; None leaves the schema as it is.

        Raises:
            InvalidInput: no replay of that name was ever run.
        """
        if self.replay is not None and self.replay not in self.home.replay_names():
            known = ", ".join(self.home.replay_names()) or "none"
            raise InvalidInput(
                f"no replay is named {self.replay!r} in {self.home.folder}; there are: {known}"
            )
        server = self.settings.database_url if self.replay is None else None
        name = self.replay or (None if server else self.home.current_database)
        with opened(self.home.folder, server, migrations, name) as urls:
            yield urls

    @contextmanager
    def reader_url(self) -> Iterator[str]:
        """A login of this machine that can read, while its server runs."""
        reader = self.settings.database_reader_url if self.replay is None else None
        if url := self.database_url or reader:
            yield url
            return
        with self.urls() as urls:
            yield urls.reader

    @contextmanager
    def reading(self, application: str) -> Iterator[Transaction]:
        """A reader's unit of work, there or here."""
        if self.stack:
            yield deployed.StackReader(self.stack)
            return
        with self.reader_url() as url:
            target = target_from_url(url, name="--database-url")
            database = Database(target, application_name=application, read_only=True)
            with closing(database), _explained(database), database.transaction() as tx:
                yield tx

    def present(self, tx: Transaction) -> datetime:
        """The moment by which to judge what is overdue or still in force.

        A replay's rows are older than any clock on the wall: its last run is its present.
        """
        now = WallClock().now()
        return now if self.stack else overview.last_run_at(tx) or now

    @contextmanager
    def writing(self, application: str, migrations: Path | None = None) -> Iterator[Database]:
        """The writer's connection to a database of this machine."""
        with self.urls(migrations) as urls:
            database = Database(target_from_url(urls.writer), application_name=application)
            with closing(database), _explained(database):
                yield database


@contextmanager
def _explained(database: Database) -> Iterator[None]:
    """Name what Postgres refused: most often the schema is not there yet, or is an older one."""
    try:
        yield
    except DatabaseError as error:
        with database.transaction() as tx:
            schema.require_current(tx)
        raise safe_to_raise(error) from error
