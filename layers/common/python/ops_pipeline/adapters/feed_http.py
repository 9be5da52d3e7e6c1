"""Downloads one feed over HTTP: bounded in time and size; follows and reports redirects.

Only to public addresses: what a stranger's name resolves to is checked and then connected to.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import local
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.request import ACCEPT_ENCODING

from ops_pipeline.adapters.bounds.bounded_answers import ExcessiveAnswer, bounded_body
from ops_pipeline.adapters.bounds.in_time import Guard, Hangable, HangableSecurely, in_time
from ops_pipeline.adapters.feed_logins import FeedLogins, secret_of
from ops_pipeline.adapters.permitted_addresses import ForbiddenAddress, PermittedAddresses
from ops_pipeline.domain.news.sites import has_login
from ops_pipeline.errors import FeedUnavailable

_OK, _NOT_MODIFIED = 200, 304
_REFUSED = frozenset({401, 403})
# Who goes on asking is blocked for longer.
_HAD_ENOUGH, _ENOUGH_S = frozenset({403, 429}), 600
_PERMANENT, _REDIRECTS = frozenset({301, 308}), frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS, _LONGEST_ADDRESS = 5, 2_000
# Sites ask robots to identify themselves and to respect Retry-After.
_AGENT = "ops-pipeline/0.1"
_HEADERS = {
    "User-Agent": f"{_AGENT} (news reader)",
    "Accept": "application/rss+xml, application/atom+xml, application/feed+json;q=0.9, "
    "application/xml;q=0.9, */*;q=0.5",
    # What urllib3 can decode here (gzip, deflate, brotli); anything else is refused below.
    "Accept-Encoding": ACCEPT_ENCODING,
}
_DECODED = frozenset(ACCEPT_ENCODING.split(",")) | {"identity", "x-gzip", ""}


@dataclass(frozen=True, slots=True)
class FeedResponse:
    """A server's response after its redirects.

    `body` is decoded, and empty when `status` is 304. `moved_to` is the address that an
    unbroken chain of permanent redirects leads to; None without one.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    moved_to: str | None

    @property
    def not_modified(self) -> bool:
        return self.status == _NOT_MODIFIED


_of_thread = local()


class _Checked(HTTPConnection):
    """Resolves its host once and connects to the address that was checked.

    The certificate is still that of the name.
    """

    def _new_conn(self) -> socket.socket:
        permitted: PermittedAddresses | None = getattr(_of_thread, "permitted", None)
        if permitted is None:
            return super()._new_conn()
        name = self._dns_host
        *others, last = permitted.of(name, self.port)
        try:
            for address in others:
                self._dns_host = address
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = last
            return super()._new_conn()
        finally:
            self._dns_host = name


class _Connection(Hangable, _Checked):
    pass


class _SecureConnection(HangableSecurely, _Checked):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class FeedHttp:
    """Fetches one document at a time in each thread; see RssFeed for the bounds.

    With a proxy, which its operator chose, names are the proxy's to resolve.
    """

    def __init__(
        self,
        *,
        connect_s: float,
        read_s: float,
        total_s: float,
        proxy_url: str | None,
        permitted: PermittedAddresses,
        logins: FeedLogins | None = None,
    ) -> None:
        self._logins = logins or FeedLogins()
        self._permitted = None if proxy_url else permitted
        self._timeout = urllib3.Timeout(connect=connect_s, read=read_s)
        self._total_s = total_s
        self._http = (
            urllib3.ProxyManager(proxy_url, num_pools=32, block=False)
            if proxy_url
            else urllib3.PoolManager(num_pools=32, block=False)
        )
        self._http.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def get(
        self,
        url: str,
        validators: dict[str, str],
        *,
        most_bytes: int,
        subscribed: str = "",
        contact: str | None = None,
    ) -> FeedResponse:
        """Get the document at an address, after its redirects.

        Args:
            most_bytes: Largest body, both as it comes and after decompression.
            contact: Whom the server may write to, in the User-Agent; None for nobody.
            subscribed: The feed's own address, whose origin gets the feed's login, if it has one;
                "" for what is no feed.

        Raises:
            FeedUnavailable: no response in time, another status, too large, or encoded in
                a way that was not requested; an address that is not public or holds a
                login; a redirect from https to http.
        """
        if has_login(url):
            raise FeedUnavailable("the address has a login in it")
        with self._in_time() as guard:
            try:
                headers = {**validators, **_signed(contact)}
                answer = self._follow(url, headers, subscribed, most_bytes)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if guard.over:
                    raise self._too_slow() from error
                raise FeedUnavailable(_words(error)) from error
            # Without a Content-Length a closed connection looks like the end of the body.
            if guard.over:
                raise self._too_slow()
            return answer

    @contextmanager
    def _in_time(self) -> Iterator[Guard]:
        _of_thread.permitted = self._permitted
        try:
            with in_time(self._total_s) as guard:
                yield guard
        finally:
            _of_thread.permitted = None

    def _too_slow(self) -> FeedUnavailable:
        return FeedUnavailable(f"the answer took over {self._total_s:g} s")

    def _follow(
        self, url: str, validators: dict[str, str], subscribed: str, most_bytes: int
    ) -> FeedResponse:
        moved_to: str | None = None
        for_good = True
        for _ in range(_MOST_REDIRECTS + 1):
            login = self._logins.of(subscribed, url)
            response = self._asked(url, {**validators, **_authorized(login)})
            try:
                _require_discreet(response.headers, login)
                if login and response.status in _REFUSED:
                    self._logins.renew()
                if response.status not in _REDIRECTS:
                    body = _read(response, most_bytes)
                    _require_discreet({"body": body.decode("latin-1")}, login)
                    return FeedResponse(response.status, response.headers, body, moved_to)
            finally:
                # A connection whose body was not read to its end can't be reused.
                response.close()
            url = _target(url, response.headers.get("Location"))
            for_good = for_good and response.status in _PERMANENT
            moved_to = url if for_good else moved_to
        raise FeedUnavailable(f"over {_MOST_REDIRECTS} redirects")

    def _asked(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return self._http.request(
            "GET",
            url,
            headers={**_HEADERS, **headers},
            timeout=self._timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )


def _read(response: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
    if response.status == _NOT_MODIFIED:
        return b""
    if response.status != _OK:
        wait_s = _asked_to_wait_s(response)
        raise FeedUnavailable(f"the server answered {response.status}", retry_after_s=wait_s)
    packed = response.headers.get("Content-Encoding", "").casefold()
    if not {part.strip() for part in packed.split(",")} <= _DECODED:
        raise FeedUnavailable(f"the answer is packed as {packed[:40]!r}, which was not asked for")
    try:
        return bounded_body(response, most_bytes=most_bytes)
    except ExcessiveAnswer as error:
        raise FeedUnavailable(str(error)) from None


def _signed(contact: str | None) -> dict[str, str]:
    return {"User-Agent": f"{_AGENT} {contact}"} if contact else {}


def _authorized(login: str | None) -> dict[str, str]:
    return {"Authorization": login} if login else {}


def _require_discreet(answer: Mapping[str, str], login: str | None) -> None:
    """What has the login in it, an address, a validator or a headline, would be stored."""
    if login and any(secret_of(login) in value for value in answer.values()):
        raise FeedUnavailable("the answer repeats the feed's login")


def _target(url: str, location: str | None) -> str:
    if not location:
        raise FeedUnavailable("a redirect without an address")
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        # An address that is printed, stored and asked again: no NUL, no half of a character.
        legible = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and target.isprintable()
            and len(target) <= _LONGEST_ADDRESS
        )
    except ValueError:
        legible = False
    if has_login(target if legible else location):
        raise FeedUnavailable("a redirect to an address with a login in it")
    if not legible:
        raise FeedUnavailable(f"a redirect to {location[:100]!r}")
    if is_downgrade(url, target):
        raise FeedUnavailable("a redirect from https to http")
    return target


def is_downgrade(url: str, target: str) -> bool:
    return url.casefold().startswith("https:") and not target.casefold().startswith("https:")


def _asked_to_wait_s(response: urllib3.BaseHTTPResponse) -> int | None:
    """What Retry-After says; at least ten minutes where the server had enough of us."""
    asked = _retry_after_s(response.headers)
    return max(asked or 0, _ENOUGH_S) if response.status in _HAD_ENOUGH else asked


def _retry_after_s(headers: urllib3.HTTPHeaderDict) -> int | None:
    """The wait that Retry-After asks for; a date is compared with the server's own clock."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal() and asked.isascii():
        return int(asked[:9])
    try:
        until = parsedate_to_datetime(asked)
        said_at = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, OverflowError):
        # Also a zone of +99999999999999.
        return None
    return max(0, int((_aware(until) - _aware(said_at)).total_seconds()))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _words(error: Exception) -> str:
    """The cause in a few words, without the address, which is in feed_state already."""
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ForbiddenAddress):
        return str(reason)
    for cause in (reason, *reason.args, reason.__cause__):
        if isinstance(cause, OSError) and cause.strerror:
            return f"no connection: {cause.strerror}"[:300]
    return f"{type(reason).__name__}: {reason}"[:300]
