"""Alpaca's trading API over HTTP: one request, and exactly what is known when it fails."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from threading import Lock, local
from typing import Any
from urllib.parse import urlsplit

from alpaca.common.rest import RESTClient
from requests import Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as ConnectionFailed
from requests.exceptions import ConnectTimeout, RequestException, Timeout
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from ops_pipeline.adapters.bounds.bounded_answers import ExcessiveAnswer, bounded_body, bounded_json
from ops_pipeline.adapters.bounds.in_time import HANGABLE_POOLS, in_time
from ops_pipeline.adapters.bounds.rate_limit import Pause, retry_after_s
from ops_pipeline.domain.deployment.transcript import HttpExchange
from ops_pipeline.ports import Heard, send_always

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
# A server may also drip its answer.
ANSWER_TIME_S = 20.0
# A page of 10,000 bars has 1 MB, one of 500 orders less. JSON takes some twenty times its size.
MOST_BYTES = 4 * 1024 * 1024
_REFUSED = 400
_BUSY = 429
# A vendor that goes on refusing is left to the next run.
_MOST_TRIES = 4

# Reads an account's key and secret anew.
Renew = Callable[[], tuple[str, str]]


@dataclass(frozen=True)
class RequestRefused(Exception):
    """A status of 400 or more.

    Attributes:
        words: None where the body says nothing legible.
        retry_after_s: For how long a 429 asks to be left alone, where it says so.
    """

    status: int
    code: int | None
    words: str | None
    retry_after_s: float | None = None

    def __str__(self) -> str:
        said = self.words or "without legible words"
        return f"{self.status}: {said}" if self.code is None else f"{self.code}: {said}"

    @property
    def is_about_keys(self) -> bool:
        """A 401, or a 403 without a code; one with a code is about the order."""
        return self.status == 401 or (self.status == 403 and self.code is None)


class NotSent(Exception):
    """No connection came about: the broker heard nothing."""


class NoAnswer(Exception):
    """Sent, at least in part, and not answered legibly in time."""


class ConnectionBroke(NoAnswer):
    """The other side hung up: at once, when a kept connection was dead already."""


class _Body:
    """A request's JSON, asked for its permission once more when the connection stands.

    Connecting takes a while, in which the machine may be suspended. A body that is not read
    to its end is no request: the server waits for the rest in vain.
    """

    def __init__(self, data: dict[str, str], before_sending: Callable[[], None]) -> None:
        self.value = data
        self._bytes = BytesIO(json.dumps(data).encode())
        self._before_sending = before_sending

    def __len__(self) -> int:
        return len(self._bytes.getvalue())

    def read(self, size: int = -1) -> bytes:
        if self._bytes.tell() == 0:  # what has left cannot be kept back any more
            self._before_sending()
        return self._bytes.read(size)


class _Client(RESTClient):
    """alpaca-py with a time-out and without its retries, which send an order again.

    Its TradingClient adds only models to this class, and brings pandas.
    """

    def __init__(
        self, url: str, key_id: str, secret_key: str, heard: Heard | None, version: str
    ) -> None:
        super().__init__(url, key_id, secret_key, api_version=version, raw_data=True)
        self._retry = 0
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _InTime())
        self._heard = heard

    def _one_request(
        self,
        method: str,
        url: str,
        opts: dict[str, Any],
        retry: int,  # noqa: ARG002 - its parent's signature
    ) -> Any:
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        with (
            _answered_in_time(),
            self._session.request(
                method, url, **{**_streamed(opts), "timeout": timeout, "stream": True}
            ) as answer,
        ):
            body = _body_of(answer)
            again_s = retry_after_s(answer.headers) if answer.status_code == _BUSY else None
        if self._heard is not None:
            self._heard(_as_heard(method, url, opts, answer.status_code, body))
        if answer.status_code >= _REFUSED:
            raise replace(_refusal(answer.status_code, body), retry_after_s=again_s)
        return _json_of(body) if body else None


class _InTime(HTTPAdapter):
    """Requests over connections that are hung up when the time is over."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = HANGABLE_POOLS


@contextmanager
def _answered_in_time() -> Iterator[None]:
    """Around a request: all of it takes at most `ANSWER_TIME_S`, however its answer drips."""
    late = NoAnswer(f"the answer is illegible: it took over {ANSWER_TIME_S:g} s")
    with in_time(ANSWER_TIME_S) as guard:
        try:
            yield
        except (RequestException, NoAnswer):
            if guard.over:
                raise late from None
            raise
        # Without a Content-Length a closed connection looks like the end of the body.
        if guard.over:
            raise late


def _as_heard(
    method: str, url: str, opts: dict[str, Any], status: int, body: bytes
) -> HttpExchange:
    """The exchange without its headers, which have the keys; an illegible answer as text."""
    sent = opts.get("json")
    try:
        answer = bounded_json(body) if body else None
    except ValueError:
        answer = body.decode(errors="replace")
    return HttpExchange(
        method=method,
        path=urlsplit(url).path,
        query=dict(opts.get("params") or {}),
        body=sent.value if isinstance(sent, _Body) else sent,
        status=status,
        answer=answer,
    )


def _streamed(opts: dict[str, Any]) -> dict[str, Any]:
    """The options with a `_Body` as what is read while it is sent."""
    body = opts.get("json")
    if not isinstance(body, _Body):
        return opts
    headers = {**opts["headers"], "Content-Type": "application/json"}
    return {**opts, "json": None, "data": body, "headers": headers}


class Wire:
    """The requests of one pair of keys; every one is sent once.

    `heard` is told of each request that was answered.

    Refused keys (`RequestRefused.is_about_keys`) mean that the request was not looked at any
    further. Whether to `renew` and ask again is the caller's to decide: the new pair may be
    another account's.
    """

    def __init__(
        self,
        url: str,
        key_id: str,
        secret_key: str,
        renew: Renew | None = None,
        heard: Heard | None = None,
        *,
        version: str = "v2",
    ) -> None:
        self._client = _Client(url, key_id, secret_key, heard, version)
        self._url, self._pair, self._renew, self._heard = url, (key_id, secret_key), renew, heard
        self._version, self._pause, self._lock = version, Pause(), Lock()
        # By thread, the keys of its last request: those that were refused.
        self._used = local()

    def get(self, path: str, params: dict[str, str]) -> Any:
        """As `ask`; asked once more when a connection broke, since reading changes nothing.

        A 429 that says how long it lasts is waited for, within bounds; all threads wait.
        """
        busy: RequestRefused | None = None
        for _ in range(_MOST_TRIES):
            if not self._pause.passed():
                raise busy or self._asked_to_wait()
            try:
                return self._get_once(path, params)
            except RequestRefused as refusal:
                if refusal.status != _BUSY or refusal.retry_after_s is None:
                    raise
                self._pause.begin(refusal.retry_after_s)
                busy = refusal
        raise busy or self._asked_to_wait()

    def _asked_to_wait(self) -> RequestRefused:
        words = f"asked to wait for {self._pause.left_s:.0f} s more"
        return RequestRefused(_BUSY, None, words, self._pause.left_s)

    def _get_once(self, path: str, params: dict[str, str]) -> Any:
        try:
            return self.ask("GET", path, params)
        except ConnectionBroke:
            return self.ask("GET", path, params)

    def renew(self) -> bool:
        """Read the keys again and use them from now on; whether the refused ones have changed."""
        with self._lock:
            refused = getattr(self._used, "pair", self._pair)
            if self._pair != refused:
                return True  # another thread has just read them
            if self._renew is not None:
                self._pair = self._renew()
            if self._pair == refused:
                return False
            self._client = _Client(self._url, *self._pair, self._heard, self._version)
            return True

    def ask(
        self,
        method: str,
        path: str,
        data: dict[str, str] | None,
        before_sending: Callable[[], None] = send_always,
    ) -> Any:
        """Send one request below the version and return its JSON, None for an empty body.

        Args:
            before_sending: Called before anything leaves, and once more before a POST's body
                does; what it raises passes through, and the request was not made.

        Raises:
            RequestRefused: the broker answered with an error.
            NotSent: it surely heard nothing.
            NoAnswer: it may have heard.
        """
        before_sending()
        with self._lock:
            client, self._used.pair = self._client, self._pair
        body: Any = _Body(data or {}, before_sending) if method == "POST" else data
        try:
            return client._request(method, path, body)
        except Timeout as error:
            if isinstance(error, ConnectTimeout):
                raise NotSent("no connection in time") from None
            raise NoAnswer("no answer in time") from None
        except ConnectionFailed as error:
            if _never_connected(error):
                raise NotSent("no connection") from None
            raise ConnectionBroke("the connection broke") from None
        except RequestException as error:
            raise NoAnswer(f"the answer is illegible: {type(error).__name__}") from None


def _body_of(answer: Response) -> bytes:
    try:
        return bounded_body(answer.raw, most_bytes=MOST_BYTES, most_s=ANSWER_TIME_S)
    except ExcessiveAnswer as error:
        raise NoAnswer(f"the answer is illegible: {error}") from None
    except ReadTimeoutError:
        raise NoAnswer("no answer in time") from None
    except (ProtocolError, IncompleteRead):
        raise ConnectionBroke("the connection broke amid the answer") from None
    except HTTPError as error:
        raise NoAnswer(f"the answer is illegible: {type(error).__name__}") from None


def _json_of(body: bytes) -> Any:
    try:
        return bounded_json(body)
    except ValueError as error:
        raise NoAnswer(f"the answer is illegible: {error}"[:300]) from None


def _never_connected(error: ConnectionFailed) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _refusal(status: int, answer: bytes) -> RequestRefused:
    try:
        body = bounded_json(answer)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return RequestRefused(status, None, None)
    code = body.get("code")
    return RequestRefused(status, code if isinstance(code, int) else None, body["message"])
