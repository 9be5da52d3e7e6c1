"""The logins: one a group of stages, the owner of the schema, the reader of the SQL console.

Roles are cluster-wide, so this step creates them before any migration; migrations only
GRANT to them, and docs/logins.md lists what came of it. The writer had all groups' rights in one
before there were groups: no function has it any more.
"""

import time
from collections.abc import Mapping
from enum import StrEnum

from pg8000.native import identifier, literal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.operations.stage import ROLES
from ops_pipeline.errors import SettingsInvalid


class Role(StrEnum):
    OWNER = ROLES["migration"]
    WRITER = "ops_pipeline_writer"
    READER = ROLES["reader"]
    NEWS = ROLES["news"]
    MARKET = ROLES["market"]
    TRADING = ROLES["trading"]
    CONTROL = ROLES["control"]


# Any number that nothing else uses: two runs that create the roles at once would fail with
# "tuple concurrently updated".
_LOCK = 4_907_201_511
_LOCK_TRIES, _LOCK_POLL_S = 20, 0.1

# Of the 100 that the database in AWS allows. A warm function holds one, and during a deployment
# old and new ones coexist; the console must not crowd out the stages, nor both the migration.
CONNECTION_LIMITS = {
    Role.NEWS: 10,
    Role.MARKET: 36,
    Role.TRADING: 28,
    Role.CONTROL: 8,
    Role.READER: 2,
}

# What one statement of the console may take. A session may set them higher, but the console
# runs one statement in it and discards it. An idle session is ended soon: another of the two
# that there may be is asked for then.
READER_SETTINGS: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "hash_mem_multiplier": "1",
    "idle_in_transaction_session_timeout": "20s",
    "idle_session_timeout": "60s",
    "jit": "off",
    "lock_timeout": "2s",
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": "20s",
    "work_mem": "4MB",
}
# Only a superuser may give it to a role; elsewhere the server's own holds for every login.
READER_TEMP_FILES = {"temp_file_limit": "256MB"}

_FACTS = """
    SELECT rolsuper AS superuser, rolcreaterole AS creates_roles,
        rolsuper OR rolcreatedb AS creates_databases, current_user = :owner AS is_owner
    FROM pg_roles WHERE rolname = current_user
"""
_OWNER_VERIFIES = "SELECT rolcreatedb AS allowed FROM pg_roles WHERE rolname = :owner"
_CONFIGURED = "SELECT coalesce(rolconfig, '{}') AS given FROM pg_roles WHERE rolname = :role"
_SET_IN = """
    SELECT d.datname AS name FROM pg_db_role_setting AS s
    JOIN pg_database AS d ON d.oid = s.setdatabase
    JOIN pg_roles AS r ON r.oid = s.setrole
    WHERE r.rolname = :role ORDER BY d.datname
"""
_SESSIONS = "SELECT 1 AS one FROM pg_stat_activity WHERE usename = :role LIMIT 1"
_EXISTING = "SELECT rolname FROM pg_roles WHERE rolname = ANY(CAST(:names AS text[]))"


def missing_roles(tx: Transaction) -> tuple[Role, ...]:
    """The roles that the cluster lacks."""
    found = {row["rolname"] for row in tx.rows(_EXISTING, names=[role.value for role in Role])}
    return tuple(role for role in Role if role.value not in found)


def owner_may_verify(tx: Transaction) -> bool:
    """Whether the owner may create the scratch database that `verify` compares with."""
    row = tx.one(_OWNER_VERIFIES, owner=Role.OWNER.value)
    return row is not None and bool(row["allowed"])


def ensure(tx: Transaction, passwords: Mapping[Role, str]) -> None:
    """Create missing roles and set the given passwords; idempotent.

    A role without a password in `passwords` keeps the one it has.

    Raises:
        SettingsInvalid: this login may not create roles; the message has the statements to
            be run by one that may.
    """
    wait_for_others(tx)
    login = tx.one(_FACTS, owner=Role.OWNER.value) or {}
    allowed = bool(login.get("superuser") or login.get("creates_roles"))
    missing = missing_roles(tx)
    if not allowed and (missing or passwords):
        raise SettingsInvalid(_what_to_run(missing, passwords))
    for role in missing:
        tx.execute(f"CREATE ROLE {role} {'NOLOGIN' if role is Role.WRITER else 'LOGIN'}")
    for role, password in passwords.items():
        _mend(tx, role, password)
    if allowed:
        for name, value in _reader_settings(superuser=bool(login["superuser"])).items():
            tx.execute(f"ALTER ROLE {Role.READER} SET {name} = {literal(value)}")
        if login["creates_databases"] and not login["is_owner"]:
            tx.execute(f"ALTER ROLE {Role.OWNER} CREATEDB")
        if not login["superuser"] and not login["is_owner"]:
            # From Postgres 16 on only a member of a role may make it a database's owner.
            tx.execute(f"GRANT {Role.OWNER} TO CURRENT_USER")


def _mend(tx: Transaction, role: Role, password: str) -> None:
    """Whoever logs in as it may have given it settings; the password nobody can forbid either."""
    tx.execute(f"ALTER ROLE {role} RESET ALL")
    for row in tx.rows(_SET_IN, role=role.value):
        tx.execute(f"ALTER ROLE {role} IN DATABASE {identifier(row['name'])} RESET ALL")
    tx.execute(f"ALTER ROLE {role} LOGIN PASSWORD {literal(password)}")


def reader_is_bounded(tx: Transaction) -> bool:
    """Whether the reader's settings are those that `ensure` gives it."""
    row = tx.one(_CONFIGURED, role=Role.READER.value) or {"given": []}
    login = tx.one(_FACTS, owner=Role.OWNER.value) or {}
    wanted = _reader_settings(superuser=bool(login.get("superuser")))
    return {f"{name}={value}" for name, value in wanted.items()} <= set(row["given"])


def _reader_settings(*, superuser: bool) -> dict[str, str]:
    return {**READER_SETTINGS, **(READER_TEMP_FILES if superuser else {})}


def wait_for_others(tx: Transaction) -> None:
    """Let another run that grants the same end first; but any login may hold such a lock."""
    for _ in range(_LOCK_TRIES):
        if (tx.one("SELECT pg_try_advisory_xact_lock(:key) AS free", key=_LOCK) or {})["free"]:
            return
        time.sleep(_LOCK_POLL_S)


def prepare(tx: Transaction, passwords: Mapping[Role, str]) -> None:
    """In AWS: the owner, RDS's first login, creates the others and grants them access."""
    ensure(tx, passwords)
    _retire_writer(tx)
    for role, most in CONNECTION_LIMITS.items():
        tx.execute(f"ALTER ROLE {role} CONNECTION LIMIT {most}")
    here = tx.one("SELECT current_database() AS name") or {}
    grant_database(tx, str(here["name"]))
    grant_schema(tx)


def writer_may_log_in(tx: Transaction) -> bool:
    """Whether the login that has all groups' rights is still open."""
    row = tx.one("SELECT rolcanlogin AS open FROM pg_roles WHERE rolname = :r", r=Role.WRITER.value)
    return row is not None and bool(row["open"])


def _retire_writer(tx: Transaction) -> None:
    """Close the login that all functions shared, once nobody uses it.

    While a deployment migrates, the functions that it replaces are still logged in by it: then
    the next migration closes it.
    """
    if writer_may_log_in(tx) and not tx.rows(_SESSIONS, role=Role.WRITER.value):
        tx.execute(f"ALTER ROLE {Role.WRITER} NOLOGIN PASSWORD NULL")


def grant_database(tx: Transaction, name: str) -> None:
    """Grant a database to the roles and to nobody else; a copy of it does not inherit this."""
    database = identifier(name)
    tx.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    logins = ", ".join(role for role in Role if role is not Role.OWNER)
    tx.execute(f"GRANT CONNECT ON DATABASE {database} TO {logins}")
    # A temporary table could stand in the place of one of ours: nobody but the owner makes any.
    tx.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM {logins}")
    tx.execute(f"GRANT ALL ON DATABASE {database} TO {Role.OWNER}")


def grant_schema(tx: Transaction) -> None:
    """Let only the owner create objects in the current database's schema `public`."""
    tx.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    tx.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    tx.execute(f"GRANT ALL ON SCHEMA public TO {Role.OWNER}")


def _what_to_run(missing: tuple[Role, ...], passwords: Mapping[Role, str]) -> str:
    statements = [f"CREATE ROLE {role} LOGIN PASSWORD '...';" for role in missing]
    statements += [
        f"ALTER ROLE {role} LOGIN PASSWORD '...';" for role in passwords if role not in missing
    ]
    return (
        "this login may not make roles (CREATEROLE). Have them made by: "
        f"{' '.join(statements)} and give their URLs as DATABASE_OWNER_URL, DATABASE_NEWS_URL, "
        f"DATABASE_MARKET_URL, DATABASE_TRADING_URL, DATABASE_CONTROL_URL and DATABASE_READER_URL"
    )
