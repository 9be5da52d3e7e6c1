"""Which stack or database a verb speaks to, chosen in one way for all of them.

--stack NAME is a deployed stack, --database-url URL a login to any database, --replay NAME a
replay on the embedded server. Without one of them a verb speaks to the live pipeline: the database
of DATABASE_READER_URL (to read) or DATABASE_URL, or the embedded server's, once `ops up` has run
there with an account's keys or they are set. Where nothing is live, verbs that read speak to the
replay that is being played or finished last; a verb that acts has to be told which.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pg8000.exceptions import DatabaseError

from ops_local import deployed
from ops_local.database import DatabaseMissing, DatabaseUrls, opened
from ops_local.home import LIVE, Home, home_of, places
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import default_parameters, schema
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.failures import safe_to_raise
from ops_pipeline.db.driver.target import target_from_url
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import InvalidInput
from ops_pipeline.execution.isolation import isolated_in
from ops_pipeline.ports import Clock
from ops_pipeline.runtime.settings import Settings, read_settings

STACK, REPLAY, DATABASE_URL = "stack", "replay", "database_url"
OPTIONS = {
    STACK: (
        "NAME",
        "a deployed stack instead of this machine; NAME:ALIAS commands it by your alias",
    ),
    REPLAY: ("NAME", "a replay in the state folder"),
    DATABASE_URL: ("URL", "a login to another database than this machine's"),
}

# What a verb does there: "acts" changes what a pipeline trades or watches; "sets up" acts too, and
# creates the live pipeline's database if there is none; "tries" creates one if nothing is there.
Purpose = Literal["reads", "tries", "acts", "sets up"]
_CREATE = ("tries", "sets up")
_ACT = ("acts", "sets up")
_BEGINNINGS = "`ops demo` replays a session into one, `ops init` prepares a live one"


@dataclass(frozen=True, slots=True)
class Place:
    """One database or stack, as it is shown to a person.

    Attributes:
        name: The database on the embedded server; None elsewhere.
        server: A login to another server; None for the embedded one.
        address: What `Home.make_live` keeps of it.
    """

    kind: Literal["live", "replay", "stack", "database"]
    title: str
    name: str | None = None
    server: str | None = None
    address: str = LIVE


@dataclass(frozen=True, slots=True)
class Target:
    """A deployed stack, or one database; at most one of the three names is set.

    Attributes:
        stack: Name of a deployed stack.
        replay: Name of a replay on the embedded server (a folder of OPS_HOME/replays).
        database_url: A login; its rights are the verb's rights.
    """

    variables: Mapping[str, str]
    stack: str | None = None
    replay: str | None = None
    database_url: str | None = None
    clock: Clock = field(default_factory=WallClock)

    @property
    def settings(self) -> Settings:
        return read_settings(self.variables)

    @property
    def home(self) -> Home:
        return home_of(self.variables)

    def place(self, purpose: Purpose = "reads") -> Place:
        """Choose the stack or database.

        Raises:
            InvalidInput: there is none, or it is a replay's and the verb acts.
        """
        if self.stack:
            return Place("stack", f"Stack {self.stack}")
        if self.database_url:
            address = _address(self.database_url, "--database-url")
            return Place("database", f"Database {address}", server=self.database_url)
        if self.replay is not None:
            return self._replay(self.replay)
        return self._configured(purpose) or self._embedded(purpose)

    @contextmanager
    def urls(
        self, purpose: Purpose = "reads", migrations: Path | None = None
    ) -> Iterator[DatabaseUrls]:
        """The logins to a database of this machine, while its server runs.

        Args:
            purpose: What for; see `place`.
            migrations: Applied first; None leaves the schema unchanged.
        """
        place, home = self.place(purpose), self.home
        if place.server is None and purpose not in _CREATE and not home.has_server:
            raise InvalidInput(
                f"there is no pipeline in {home.folder} ({places(self.variables)}): {_BEGINNINGS}"
            )
        create = purpose in _CREATE and place.kind == "live"
        here = purpose == "sets up" and place.kind == "live" and place.server is None
        if create and place.server is None and not home.has_server:
            # It takes seconds, and nothing else is said meanwhile.
            sys.stderr.write(f"{place.title}: its database is being made\n")
        with (
            _said_how_to_begin(),
            opened(
                home.folder, place.server, migrations, place.name, create=create, durable=here
            ) as urls,
        ):
            if here:
                home.make_live(LIVE)
            if here and migrations is not None:
                self._put_parameters_in_force(urls)
            yield urls

    def _put_parameters_in_force(self, urls: DatabaseUrls) -> None:
        """A database that was just made has none, and one that has some keeps them."""
        owner = Database(target_from_url(urls.owner), application_name="ops-setup")
        with closing(owner), owner.transaction() as tx:
            default_parameters.ensure(tx, now=self.clock.now())

    @contextmanager
    def reader_url(
        self, purpose: Purpose = "reads", migrations: Path | None = None
    ) -> Iterator[str]:
        """A login of this machine that can read, while its server runs."""
        reader = self.settings.database_reader_url if self.replay is None else None
        if url := self.database_url or reader:
            yield url
            return
        with self.urls(purpose, migrations) as urls:
            yield urls.reader

    @contextmanager
    def reading(
        self, application: str, purpose: Purpose = "reads", migrations: Path | None = None
    ) -> Iterator[Transaction]:
        """A reader's unit of work, in the stack or on this machine."""
        if self.stack:
            yield deployed.TypedStackReader(self.stack)
            return
        with self.reader_url(purpose, migrations) as url:
            target = target_from_url(url, name="--database-url")
            database = Database(target, application_name=application, read_only=True)
            with closing(database), _named_refusals(database), database.transaction() as tx:
                yield tx

    @contextmanager
    def writing(
        self, application: str, purpose: Purpose = "acts", migrations: Path | None = None
    ) -> Iterator[Database]:
        """The writer's connection to a database of this machine."""
        with self.urls(purpose, migrations) as urls:
            database = Database(target_from_url(urls.writer), application_name=application)
            with closing(database), _named_refusals(database):
                yield database

    def present(self, tx: Transaction) -> datetime:
        """The moment by which to judge what is overdue or still in force.

        A replay's rows are older than any clock on the wall: its last run is its present.
        """
        now = self.clock.now()
        place = self.place()
        if place.kind == "stack" or (place.kind == "live" and place.server is None):
            return now
        return _last_run_at(tx) or now

    def heading(self, tx: Transaction, purpose: Purpose = "reads") -> str:
        """Which pipeline this is, of which kind, and the day of its last run."""
        at = _last_run_at(tx)
        day = f"last run on {new_york_day(at)}" if at else "no runs yet"
        return f"{self.place(purpose).title}, {day}"

    def means(self, replay: str) -> bool:
        """Whether a verb that reads speaks to that replay."""
        try:
            return self.place().name == replay
        except InvalidInput:
            return False

    def _replay(self, name: str) -> Place:
        home = self.home
        if name not in home.replay_names():
            known = ", ".join(home.replay_names()) or "none"
            raise InvalidInput(f"no replay is named {name!r} in {home.folder}; there are: {known}")
        return Place("replay", f"Replay {name} in {home.folder}", name=name)

    def _configured(self, purpose: Purpose) -> Place | None:
        """The live pipeline, by the settings or by what `ops up` left in the state folder."""
        reader = self.settings.database_reader_url if purpose == "reads" else None
        given, home = reader or self.settings.database_url, self.home
        live = home.live_server
        if given:
            address = _address(given, "DATABASE_URL")
            if live not in (None, address) and home.is_up:
                raise InvalidInput(
                    f"DATABASE_URL names {address}, but `ops up` runs here on {live}: "
                    "unset the one or stop the other"
                )
            return Place("live", f"Live pipeline on {address}", server=given, address=address)
        if live == LIVE or (live is None and has_keys(self.variables)):
            return self._live_here()
        if live is not None:
            raise InvalidInput(
                f"the live pipeline of {home.folder} is on {live}: set DATABASE_URL, "
                f"or remove {home.folder / 'live.json'} to have one here"
            )
        return None

    def _embedded(self, purpose: Purpose) -> Place:
        """What the state folder has where no pipeline was ever live in it."""
        home = self.home
        replay = home.playing or home.current_replay
        if purpose == "acts" and home.replay_names():
            known = replay or home.replay_names()[-1]
            raise InvalidInput(
                f"{home.folder} has replays and no live pipeline: to act on a replay, name it, "
                f"for example with --replay {known}"
            )
        if replay is not None and purpose != "sets up":
            return self._replay(replay)
        return self._live_here()

    def _live_here(self) -> Place:
        return Place("live", f"Live pipeline in {self.home.folder}", name=LIVE)


@contextmanager
def _said_how_to_begin() -> Iterator[None]:
    """Where there is a server and not this database, say what makes one."""
    try:
        yield
    except DatabaseMissing as error:
        raise InvalidInput(f"{error}: {_BEGINNINGS}, --replay NAME reads another") from None


def _last_run_at(tx: Transaction) -> datetime | None:
    """None also where the runs cannot be read: a verb shows what it can all the same."""
    found = isolated_in(tx, lambda: overview.last_run_at(tx))
    return None if isinstance(found, Exception) else found


def has_keys(variables: Mapping[str, str]) -> bool:
    """Whether the environment has the keys of any trading account: then a pipeline is live."""
    return any(
        name.startswith("ALPACA_") and name.endswith("_KEY_ID") and value
        for name, value in variables.items()
    )


def _address(url: str, name: str) -> str:
    """Host, port and database of a login, without user and password."""
    target = target_from_url(url, name=name)
    return f"{target.host}:{target.port}/{target.database}"


@contextmanager
def _named_refusals(database: Database) -> Iterator[None]:
    """Name what Postgres refused: most often the schema is missing or older than this code."""
    try:
        yield
    except DatabaseError as error:
        with database.transaction() as tx:
            schema.require_current(tx)
        raise safe_to_raise(error) from error
