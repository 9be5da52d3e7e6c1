"""Databases on this machine: starts the server, creates roles and schema, returns three URLs."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from pg8000.exceptions import DatabaseError
from pg8000.native import identifier

from ops_local.postgres.durability import make_durable
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import roles
from ops_pipeline.db.driver import dropping
from ops_pipeline.db.driver.connection import Database, target_from_url, values_of
from ops_pipeline.db.driver.failures import sqlstate_of
from ops_pipeline.db.migrations.history import Applied
from ops_pipeline.db.migrations.runner import LIMITS, Runner
from ops_pipeline.db.operations import overview
from ops_pipeline.db.roles import Role
from ops_pipeline.errors import DatabaseUnavailable, InvalidInput, SettingsInvalid

_ROUNDS = 100_000
# insufficient_privilege: logged in, and this database is not for that role.
_MAY_NOT_CONNECT = "42501"
# duplicate_database, and unique_violation where two create it at the same moment.
_IS_THERE = ("42P04", "23505")
_EXISTS = "SELECT 1 AS found FROM pg_database WHERE datname = :name"
_APPLICATION = "ops-local"


class DatabaseMissing(InvalidInput):
    """The server has no database of that name."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One URL for each role of one database. They contain passwords: never log them.

    Attributes:
        writer: Has all groups' rights: what a person's verbs on this machine use, and no stage.
    """

    owner: str
    writer: str
    reader: str
    news: str
    market: str
    trading: str
    control: str

    def variables(self) -> dict[str, str]:
        """The environment variables that point the handlers at this database."""
        return {
            "DATABASE_URL": self.writer,
            "DATABASE_OWNER_URL": self.owner,
            "DATABASE_READER_URL": self.reader,
            **self.groups(),
        }

    def in_database(self, name: str) -> Self:
        """The same logins to another database of the server."""
        urls = {role: url_for(url, database=name) for role, url in values_of(self).items()}
        return replace(self, **urls)

    def groups(self) -> dict[str, str]:
        """The variables under which each stage logs in as its group."""
        return {
            "DATABASE_NEWS_URL": self.news,
            "DATABASE_MARKET_URL": self.market,
            "DATABASE_TRADING_URL": self.trading,
            "DATABASE_CONTROL_URL": self.control,
        }

    def __repr__(self) -> str:
        return "DatabaseUrls(...)"


@contextmanager
def opened(
    home: Path,
    database_url: str | None,
    migrations: Path | None,
    name: str | None = None,
    *,
    create: bool = True,
    fresh: bool = False,
    durable: bool = False,
) -> Iterator[DatabaseUrls]:
    """Start the server if needed and create what is missing: roles, database, schema.

    The embedded server is stopped at the end unless another process uses it.

    Args:
        home: OPS_HOME, the folder of the embedded server.
        database_url: A login that may create roles and databases on another server;
            None for the embedded one.
        migrations: Applied as the owner; None leaves the schema unchanged.
        name: The database; None means the one in the URL, or `ops` on the embedded server.
        create: Create the database if it is missing; False refuses instead.
        fresh: Drop a database of that name first.
        durable: What is committed on the embedded server survives a power cut from now on.

    Raises:
        DatabaseMissing: there is no such database, and `create` is False.
        SettingsInvalid: the login may not create roles; the message says what to run.
        DatabaseUnavailable: the server is out of reach or did not start.
        MigrationRefused, MigrationFailed: see the runner.
    """
    with ExitStack() as stack:
        if database_url is None:
            server = stack.enter_context(EmbeddedPostgres(home / "postgres"))
            admin_url, name = server.url, name or "ops"
            if durable:
                make_durable(admin_url)
        else:
            admin_url, name = database_url, name or target_from_url(database_url).database
        passwords = ensure_roles(admin_url)
        if not create and not has_database(admin_url, name):
            raise DatabaseMissing(f"there is no database {name} on this server")
        if create:
            ensure_database(admin_url, name, fresh=fresh)
        urls = urls_of(admin_url, name, passwords)
        if migrations is not None:
            migrate(urls.owner, migrations)
        yield urls


def ensure_roles(admin_url: str) -> dict[Role, str]:
    """Create or repair the roles; return their passwords."""
    passwords = role_passwords(admin_url)
    if not _roles_are_current(admin_url, passwords):
        with _admin(admin_url) as database, database.transaction() as tx:
            roles.ensure(tx, passwords)
    return passwords


def role_passwords(admin_url: str) -> dict[Role, str]:
    """One password for each role, derived from the administrator's.

    Roles belong to the whole server: if each state folder chose passwords of its own, it would
    lock out the others. Slow on purpose, so that a weak administrator's password cannot be
    recovered from a role's.
    """
    key = _role_key(target_from_url(admin_url).password or "")
    return {role: hmac.new(key, role.encode(), hashlib.sha256).hexdigest() for role in Role}


@lru_cache(maxsize=4)
def _role_key(secret: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret.encode(), b"ops-pipeline roles", _ROUNDS)


def ensure_database(admin_url: str, name: str, *, fresh: bool = False) -> None:
    """Create the database if it is missing, and grant access to the roles only."""
    if fresh:
        with _admin(admin_url) as database:
            drop_database(database, name)
    if not has_database(admin_url, name):
        _create_database(admin_url, name)
    with _admin(url_for(admin_url, database=name)) as database, database.transaction() as tx:
        roles.wait_for_others(tx)
        roles.grant_database(tx, name)
        roles.grant_schema(tx)


def _create_database(admin_url: str, name: str) -> None:
    """Create it, or find that another process has done so meanwhile."""
    statement = f"CREATE DATABASE {identifier(name)} OWNER {Role.OWNER} TEMPLATE template0"
    with _admin(admin_url) as database:
        try:
            _outside_transaction(database, statement)
        except DatabaseError as error:
            if sqlstate_of(error) not in _IS_THERE:
                raise


def has_database(admin_url: str, name: str) -> bool:
    """Whether the server has a database of that name."""
    with _admin(admin_url) as database, database.transaction() as tx:
        return tx.one(_EXISTS, name=name) is not None


def clone_database(admin: Database, template: str, name: str) -> None:
    """Copy a database that has no sessions, with its tables, rows and privileges."""
    _outside_transaction(
        admin,
        f"CREATE DATABASE {identifier(name)} OWNER {Role.OWNER} TEMPLATE {identifier(template)} "
        # Faster than through the write-ahead log.
        "STRATEGY file_copy",
    )
    with admin.transaction() as tx:
        roles.grant_database(tx, name)


def drop_database(admin: Database, name: str) -> None:
    """Drop a database if it exists, ending its sessions."""
    dropping.drop_database(admin.session(), name)


def migrate(owner_url: str, folder: Path) -> list[Applied]:
    """Apply the pending migrations as the owner."""
    database = Database(target_from_url(owner_url), application_name=_APPLICATION, limits=LIMITS)
    with closing(database):
        return Runner(database, folder).up()


def urls_of(admin_url: str, name: str, passwords: dict[Role, str]) -> DatabaseUrls:
    return DatabaseUrls(
        **{
            role.name.lower(): url_for(
                admin_url, database=name, user=role, password=passwords[role]
            )
            for role in Role
        }
    )


def url_for(
    url: str, *, database: str, user: str | None = None, password: str | None = None
) -> str:
    """The same server's URL for another database, and optionally another login."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = parts.netloc.rpartition("@")[0]
    if user is not None:
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(
        parts._replace(netloc=f"{login}@{place}", path=f"/{quote(database, safe='')}")
    )


@contextmanager
def _admin(url: str) -> Iterator[Database]:
    with closing(Database(target_from_url(url), application_name=_APPLICATION)) as database:
        yield database


def _outside_transaction(database: Database, sql: str) -> None:
    """CREATE and DROP DATABASE cannot run inside a transaction."""
    database.session().execute_simple(sql)


def _roles_are_current(admin_url: str, passwords: dict[Role, str]) -> bool:
    """Whether the roles are as they are made, and each logs in with its password."""
    with _admin(admin_url) as database, database.transaction() as tx:
        as_made = roles.owner_may_verify(tx) and roles.reader_is_bounded(tx)
        as_made = as_made and not overview.altered_logins(tx)
        if roles.missing_roles(tx) or not as_made:
            return False
    name = target_from_url(admin_url).database
    urls = urls_of(admin_url, name, passwords)
    return all(map(_logs_in, values_of(urls).values()))


def _logs_in(url: str) -> bool:
    """Whether Postgres takes the password; it says so before it looks for the database's rights."""
    try:
        with _admin(url) as login, login.transaction() as tx:
            tx.begin()
    except DatabaseUnavailable:
        return False
    except SettingsInvalid as error:
        return sqlstate_of(error.__cause__) == _MAY_NOT_CONNECT
    return True
