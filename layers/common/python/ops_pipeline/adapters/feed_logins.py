"""Logins of feeds that need one: sent as a header to the feed's own host, and stored nowhere."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from ops_pipeline.errors import SettingsInvalid

_PORTS = {"http": 80, "https": 443}
_ON_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 8
Origin = tuple[str, str, int]


class FeedLogins:
    """What to send in Authorization, by the origin of a subscribed address; no repr shows it.

    Args:
        read: Returns the JSON object, `{"https://wire.example": "Bearer ..."}`; None for none.
            Called now, and again after a host refused what it said.

    Raises:
        SettingsInvalid: what is kept is no such object; the message has none of it.
    """

    def __init__(self, read: Callable[[], str | None] = lambda: None) -> None:
        self._read = read
        self._known: Mapping[Origin, str] = _parsed(read())

    def __repr__(self) -> str:
        return "FeedLogins(...)"

    def of(self, subscribed: str, url: str) -> str | None:
        """The header's value for a request to `url` for that subscription; None for none.

        Only the subscribed address's own origin gets it: not where a redirect leads, and not
        because another feed's redirect leads here.
        """
        origin = _origin(subscribed)
        if origin is None or _origin(url) != origin:
            return None
        return self._known.get(origin)

    def renew(self) -> None:
        """Read them anew, as they may have changed; what can't be read now stays as it was."""
        with suppress(SettingsInvalid):
            self._known = _parsed(self._read())


def _parsed(text: str | None) -> dict[Origin, str]:
    try:
        held = json.loads(text) if text else {}
        return {_permitted(address): _header(login) for address, login in held.items()}
    except (ValueError, AttributeError, TypeError):
        raise SettingsInvalid(
            "the logins of feeds must be a JSON object of https origins and what Authorization "
            'says to each, for example {"https://wire.example": "Bearer ..."}'
        ) from None


def _permitted(address: str) -> Origin:
    """Raises ValueError for what is no origin, or one that would get it in clear."""
    origin, parts = _origin(address), urlsplit(address)
    if origin is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError
    if parts.scheme != "https" and parts.hostname not in _ON_THIS_MACHINE:
        raise ValueError
    return origin


def _header(login: object) -> str:
    """Raises ValueError for what no header may hold, or is too short to be known again."""
    if not isinstance(login, str) or len(secret_of(login)) < _SHORTEST:
        raise ValueError
    if not (login.isascii() and login.isprintable()):
        raise ValueError
    return login


def secret_of(login: str) -> str:
    """The login without its scheme, Bearer say."""
    return login.rpartition(" ")[2]


def _origin(address: str) -> Origin | None:
    """Scheme, host and port; None for what is no web address."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    return (parts.scheme, host, port) if host and port and "@" not in parts.netloc else None
