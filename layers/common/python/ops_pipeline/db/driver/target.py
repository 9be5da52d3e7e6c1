"""Where a database is and how a session behaves there; nothing here connects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from ssl import SSLContext
from typing import Literal, TypeGuard, get_args
from urllib.parse import unquote

from ops_pipeline.errors import SettingsInvalid

SslMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
SYSTEM_AUTHORITIES = "system"

_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^/?#]*)"
    r"(?:/(?P<database>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?")
_PORT = 5432
# Of libpq's parameters those that are honoured, with the values of those that have only one.
_HONOURED = frozenset(
    ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "connect_timeout",
     "options", "application_name")
)  # fmt: skip
_ONLY = {
    "ssl": "true",
    "gssencmode": "disable",
    "channel_binding": "prefer",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "client_encoding": "utf8",
}
_NAME = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """Where a database is and who logs in. `password` never shows in a repr.

    Attributes:
        ssl_context: TLS by this context and no other way; the following two then count for nothing.
        sslmode: As libpq defines it; None is `prefer` on loopback and `verify-full` elsewhere.
        sslrootcert: A file of authorities, or `system`; None is the system's too.
        further_hosts: Tried in order where the first does not take a connection.
        connect_timeout_s: For each host, the login included; None is that of a statement.
        options: Command-line options for the server.
        application_name: Instead of the one that the program gives itself.
    """

    host: str
    port: int
    database: str
    user: str
    password: str | None
    ssl_context: SSLContext | None = None
    sslmode: SslMode | None = None
    sslrootcert: str | None = None
    further_hosts: tuple[tuple[str, int], ...] = ()
    connect_timeout_s: int | None = None
    options: str | None = None
    application_name: str | None = None

    def __repr__(self) -> str:
        return f"Target({self.user}@{self.host}:{self.port}/{self.database})"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """All of them, with their ports, in the order in which they are tried."""
        return ((self.host, self.port), *self.further_hosts)

    def sslmode_at(self, host: str) -> SslMode:
        """What the host must prove before it hears of the login."""
        if self.sslmode is None:
            return "prefer" if _is_loopback(host) else "verify-full"
        if self.sslmode == "require" and self.sslrootcert is not None:
            # libpq's rule: whoever names authorities wants them asked.
            return "verify-ca"
        return self.sslmode


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
    """Parse `postgresql://user:password@host:port[,host:port]/database[?parameters]`.

    The parameters are libpq's; one that is not honoured is refused, never ignored.

    Raises:
        SettingsInvalid: a part is missing, or a parameter is unknown, not honoured or has a
            value that it cannot have. Names the setting and the parameter, not the value.
    """
    parts = _URL.fullmatch(url)
    given = {} if parts is None else _parameters(parts["query"] or "", name)
    if parts is not None:
        user, _, password = (parts["login"] or "").partition(":")
        given = {
            **({"user": unquote(user)} if user else {}),
            **({"password": unquote(password)} if ":" in (parts["login"] or "") else {}),
            **({"dbname": unquote(parts["database"])} if parts["database"] else {}),
            **given,
        }
    if parts is None or not given.get("user") or not given.get("dbname"):
        raise SettingsInvalid(f"{name} must look like postgresql://user:password@host:port/name")
    (host, port), *further = _hosts(parts["hosts"], given, name)
    return ConnectionTarget(
        host=host,
        port=port,
        database=given["dbname"],
        user=given["user"],
        password=given.get("password"),
        sslmode=_sslmode(given, name),
        sslrootcert=given.get("sslrootcert") or None,
        further_hosts=tuple(further),
        connect_timeout_s=_seconds(given, name),
        options=given.get("options") or None,
        application_name=given.get("application_name") or None,
    )


def _parameters(query: str, setting: str) -> dict[str, str]:
    """By name, decoded; unlike in a form `+` is no space."""
    given = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            raise SettingsInvalid(f"{setting} has a parameter that is no name=value")
        value = unquote(value)
        if name in _ONLY and value.lower() == _ONLY[name]:
            if name == "ssl":
                given["sslmode"] = "require"
        elif name in _HONOURED:
            given[name] = value
        else:
            only = f" other than {_ONLY[name]}" if name in _ONLY else ""
            raise SettingsInvalid(f"{setting} says {name}{only}, which is not supported")
    return given


def _hosts(hosts: str, given: Mapping[str, str], setting: str) -> list[tuple[str, int]]:
    named = given.get("host", hosts)
    ports = given.get("port", "").split(",")
    found = []
    pieces = named.split(",")
    for number, piece in enumerate(pieces):
        match = None if piece.startswith("/") else _HOST.fullmatch(piece)
        if match is None:
            raise SettingsInvalid(f"{setting} names a Unix socket, which is not supported")
        host = unquote(match["host"].strip("[]"))
        if host.startswith("/"):
            raise SettingsInvalid(f"{setting} names a Unix socket, which is not supported")
        if not host:
            raise SettingsInvalid(f"{setting} names no host")
        if len(ports) not in (1, len(pieces)):
            raise SettingsInvalid(f"{setting} names more ports than hosts, or fewer")
        port = match["port"] or ports[number if len(ports) > 1 else 0]
        found.append((host, _port(port, setting)))
    return found


def _port(text: str, setting: str) -> int:
    if not text:
        return _PORT
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SettingsInvalid(f"{setting} has a port that is no number")
    return int(text)


def _sslmode(given: Mapping[str, str], setting: str) -> SslMode | None:
    mode = given.get("sslmode")
    if mode is not None and not _is_sslmode(mode):
        known = ", ".join(get_args(SslMode))
        raise SettingsInvalid(f"{setting} says an sslmode that is none of {known}")
    if given.get("sslrootcert") == SYSTEM_AUTHORITIES and mode not in (None, "verify-full"):
        raise SettingsInvalid(f"{setting} says sslrootcert=system, which takes sslmode=verify-full")
    if mode is None and given.get("sslrootcert") == SYSTEM_AUTHORITIES:
        return "verify-full"
    return mode


def _is_sslmode(mode: str) -> TypeGuard[SslMode]:
    return mode in get_args(SslMode)


def _seconds(given: Mapping[str, str], setting: str) -> int | None:
    """None for what libpq takes as no limit of its own: 0, less, or nothing."""
    text = given.get("connect_timeout", "")
    if not text:
        return None
    try:
        seconds = int(text)
    except ValueError:
        raise SettingsInvalid(f"{setting} has a connect_timeout that is no number") from None
    return seconds if seconds > 0 else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
