"""Where a database is and how a session behaves there; nothing here connects."""

from dataclasses import dataclass
from ssl import SSLContext
from urllib.parse import parse_qs, unquote, urlsplit

from ops_pipeline.errors import SettingsInvalid


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """Where a database is and who logs in. `password` never shows in a repr."""

    host: str
    port: int
    database: str
    user: str
    password: str | None
    ssl_context: SSLContext | None = None

    def __repr__(self) -> str:
        return f"Target({self.user}@{self.host}:{self.port}/{self.database})"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Server-side time-outs of a session, milliseconds, and other settings of it.

    `others` are by default what all statements of this package rely on; what is not named has
    the value of the database and the role.
    """

    lock_ms: int = 5_000
    statement_ms: int = 30_000
    idle_in_transaction_ms: int = 60_000
    others: tuple[tuple[str, str], ...] = (
        ("TimeZone", "UTC"),
        ("default_transaction_isolation", "read committed"),
    )

    def settings(self) -> dict[str, str]:
        """By the server's names."""
        return {
            "lock_timeout": str(self.lock_ms),
            "statement_timeout": str(self.statement_ms),
            "idle_in_transaction_session_timeout": str(self.idle_in_transaction_ms),
            **dict(self.others),
        }


def target_from_url(url: str, *, name: str = "DATABASE_URL") -> ConnectionTarget:
    """Parse `postgresql://user:password@host:port/database`.

    Raises:
        SettingsInvalid: a part is missing; the message names the setting, not the value.
    """
    parts = urlsplit(url)
    database = parts.path.lstrip("/")
    if parts.scheme not in ("postgresql", "postgres") or not parts.username or not database:
        raise SettingsInvalid(f"{name} must look like postgresql://user:password@host:port/name")
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    if not host:
        raise SettingsInvalid(f"{name} names no host")
    try:
        port = parts.port or 5432
    except ValueError:
        raise SettingsInvalid(f"{name} has a port that is no number") from None
    return ConnectionTarget(
        host=host,
        port=port,
        database=unquote(database),
        user=unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
