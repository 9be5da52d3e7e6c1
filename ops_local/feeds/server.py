"""Serves the news feeds and the VIX file of a recording over HTTP, as of the clock's time."""

import hashlib
import socket
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Protocol, Self, cast
from urllib.parse import quote, urlsplit

from holidays import financial_holidays

from ops_local.feeds import halt_documents
from ops_local.feeds.documents import ATOM, RDF, RSS, Format, http_date
from ops_local.feeds.odd_answers import ODD_ANSWERS, OddAnswer, OddAnswerName
from ops_local.recordings.halts import RecordedHalt
from ops_local.recordings.recording import InvalidRecording, RecordedNewsItem, Recording
from ops_local.recordings.tables import bytes_of
from ops_pipeline.domain.feeds.kinds import HaltFeedKind
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.market_state.trading_halts import EVERY_TICKER
from ops_pipeline.domain.news.sites import RECORDING_HOST

NEWEST = 50
_STAMP = "%Y%m%dT%H%M%S"
_ORIGIN = f"http://{RECORDING_HOST}"
_VIX_PATH = "/vix/history.csv"
# The VIX file's name beside those of the feeds, none of which is empty.
VIX = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of one URL at one moment."""

    body: bytes
    media_type: str
    modified_at: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:24]}"'


class Page(Protocol):
    def at(self, now: datetime) -> Document | None:
        """The document as of `now`; None before its first version."""
        ...


class FeedServer:
    """Serves on 127.0.0.1, on a free port, until the `with` block ends.

    Attributes:
        feeds: URL of each feed by name, the same in every replay; fetch them by `proxy_url`.
        proxy_url: This server, as the HTTP proxy for these addresses.
        halts: URL of each list of trading halts by kind; none without recorded halts.
        vix_url: CBOE's daily history: the previous session's row, or only the header
            if the recording has no close.

    Raises:
        InvalidRecording: the name of a file in `feeds` is not a time.
    """

    def __init__(self, recording: Recording, clock: Callable[[], datetime]) -> None:
        pages = feed_pages(recording)
        paths = {name: _path_of(name) for name in pages}
        by_path = {paths[name]: page for name, page in pages.items()}
        halts = _halt_pages(recording)
        of_halts: dict[HaltFeedKind, str] = {kind: f"/halts/{kind}" for kind in halts}
        self._paths: dict[str, str] = {**paths, VIX: _VIX_PATH}
        self._paths |= {str(kind): path for kind, path in of_halts.items()}
        by_path |= {of_halts[kind]: page for kind, page in halts.items()}
        self._server = _Server({**by_path, _VIX_PATH: _VixPage(recording)}, clock)
        root = f"http://127.0.0.1:{self._server.server_address[1]}"
        # URLs are stored with the news, so they must not contain a port that changes.
        self.feeds = {name: _ORIGIN + path for name, path in paths.items()}
        self.halts = {kind: _ORIGIN + path for kind, path in of_halts.items()}
        self.proxy_url = root
        self.vix_url = root + _VIX_PATH
        # The poll interval is how long leaving the block may take.
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="feed-server"
        )

    def answer_oddly(self, name: str, kind: OddAnswerName | None) -> None:
        """Let one feed, or VIX, answer like that from now on; None: as it is recorded.

        Raises:
            KeyError: there is no such feed, or no such answer.
        """
        path = self._paths[name]
        if kind is None:
            self._server.odd.pop(path, None)
        else:
            self._server.odd[path] = ODD_ANSWERS[kind]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


def _path_of(name: str) -> str:
    return f"/feeds/{quote(name, safe='')}.xml"


def address_of(name: str) -> str:
    """The address of a feed, the same in every replay: it is stored with the news."""
    return _ORIGIN + _path_of(name)


def previous_session_day(day: date) -> date:
    """The last day before `day` on which the NYSE was open, half days included."""
    shut = financial_holidays("NYSE", years=(day.year - 1, day.year))
    before = day - timedelta(days=1)
    while before.weekday() >= 5 or before in shut:
        before -= timedelta(days=1)
    return before


def feed_pages(recording: Recording) -> dict[str, Page]:
    """The page of each feed by its name.

    Recorded responses are preferred to recorded items: they are what was really served."""
    folder = recording.folder / "feeds"
    if folder.is_dir():
        names = sorted(place.name for place in folder.iterdir() if place.is_dir())
        for place in (folder, *folder.rglob("*")):
            if place.is_symlink():
                raise InvalidRecording(f"{place}: expected no link in a recording")
        return {name: _RecordedPage(folder / name) for name in names}
    feeds: dict[str, list[RecordedNewsItem]] = {}
    for item in sorted(recording.news, key=lambda item: (item.feed, item.available_at)):
        feeds.setdefault(item.feed, []).append(item)
    # One feed in Atom and one in RSS 1.0: a client has to read all three formats.
    formats = {1: ATOM, 2: RDF}
    midnight = new_york_time(recording.day, 0)
    return {
        name: ItemsPage(name, items, formats.get(place, RSS), midnight)
        for place, (name, items) in enumerate(feeds.items())
    }


def _halt_pages(recording: Recording) -> dict[HaltFeedKind, Page]:
    if not recording.halts:
        return {}
    since = new_york_time(recording.day, 0)
    # An exchange lists a halt of the whole market by ticker.
    halts = [
        replace(halt, ticker=ticker)
        for halt in recording.halts
        for ticker in (recording.tickers if halt.ticker == EVERY_TICKER else (halt.ticker,))
    ]
    return {
        "nasdaq_halts": _HaltsPage(halts, halt_documents.nasdaq, "text/xml", since),
        "nyse_halts": _HaltsPage(halts, halt_documents.nyse, "text/csv", since),
    }


class _HaltsPage:
    """A list of the halts that had begun by then."""

    def __init__(
        self,
        halts: Sequence[RecordedHalt],
        render: Callable[[Sequence[RecordedHalt], datetime], bytes],
        media_type: str,
        since: datetime,
    ) -> None:
        self._halts, self._render = halts, render
        self._media_type, self._since = media_type, since

    def at(self, now: datetime) -> Document:
        begun = [halt for halt in self._halts if halt.halted_at <= now]
        moments = [it for halt in begun for it in (halt.halted_at, halt.resumed_at)]
        changed = [self._since, *(it for it in moments if it is not None and it <= now)]
        return Document(self._render(begun, now), self._media_type, max(changed))


class ItemsPage:
    """A feed rendered from the items that it had published by then."""

    def __init__(
        self, name: str, items: list[RecordedNewsItem], kind: Format, since: datetime
    ) -> None:
        self._name, self._items, self._kind, self._since = name, items, kind, since
        self._shown_at = [item.available_at for item in items]
        self._last: tuple[int, Document] | None = None

    def at(self, now: datetime) -> Document:
        count = self.count(now)
        last = self._last
        if last is None or last[0] != count:
            last = self._last = (count, self.rendered(0, count))
        return last[1]

    def count(self, now: datetime) -> int:
        """How many items it had published by then."""
        return bisect_right(self._shown_at, now)

    def rendered(self, known: int, count: int) -> Document:
        """The newest of the first `count` items, without the first `known`."""
        newest_first = self._items[max(known, count - NEWEST) : count][::-1]
        modified_at = newest_first[0].available_at if newest_first else self._since
        body = self._kind.render(self._name, newest_first)
        return Document(body, self._kind.media_type, modified_at)


class _RecordedPage:
    """A feed byte for byte as it was fetched, each version from the time in its file's name."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob("*.xml"))
        try:
            stamps = [datetime.strptime(file.stem, _STAMP) for file in self._files]  # noqa: DTZ007  # made UTC in the next line
        except ValueError as error:
            raise InvalidRecording(f"{folder}: expected files like 20260204T143100.xml") from error
        self._since = [stamp.replace(tzinfo=UTC) for stamp in stamps]

    def at(self, now: datetime) -> Document | None:
        place = bisect_right(self._since, now) - 1
        if place < 0:
            return None
        return Document(bytes_of(self._files[place]), "application/xml", self._since[place])


class _VixPage:
    def __init__(self, recording: Recording) -> None:
        before = previous_session_day(recording.day)
        text = "DATE,OPEN,HIGH,LOW,CLOSE\r\n"
        close = recording.vix_previous_close
        if close is not None:
            # As in the first years of CBOE's file: the close in all four columns.
            text += f"{before:%m/%d/%Y},{close:.6f},{close:.6f},{close:.6f},{close:.6f}\r\n"
        published_at = new_york_time(before, 18)
        self._document = Document(text.encode(), "text/csv", published_at)

    def at(self, now: datetime) -> Document:  # noqa: ARG002  # the same row all day
        return self._document


class _Server(ThreadingHTTPServer):
    # Wait for the threads: none may still write once the block has ended.
    daemon_threads = False

    def __init__(self, pages: dict[str, Page], clock: Callable[[], datetime]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages, self.clock = pages, clock
        self.odd: dict[str, OddAnswer] = {}
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, str]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # TCP only
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close kept-alive connections, whose threads would wait for another request."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for each response and Nagle's algorithm off: 0.7 ms instead of 44.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        path = urlsplit(self.path).path
        if (odd := server.odd.get(path)) is not None:
            return self._answer_oddly(odd)
        page = server.pages.get(path)
        if page is None:
            return self._answer(HTTPStatus.NOT_FOUND)
        document = page.at(server.clock())
        if document is None:
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        if self._knows(document):
            return self._answer(HTTPStatus.NOT_MODIFIED, document)
        return self._answer(HTTPStatus.OK, document)

    def _knows(self, document: Document) -> bool:
        """Whether the client has this document; its ETag is compared before its time."""
        etags = self.headers.get("If-None-Match")
        if etags is not None:
            known = {etag.strip().removeprefix("W/") for etag in etags.split(",")}
            return document.etag in known or "*" in known
        since = self.headers.get("If-Modified-Since")
        try:
            moment = parsedate_to_datetime(since) if since else None
        except ValueError:
            return False
        if moment is None:
            return False
        # HTTP's times are GMT in whole seconds.
        return moment.replace(tzinfo=UTC) >= document.modified_at.replace(microsecond=0)

    def _answer(self, status: HTTPStatus, document: Document | None = None) -> None:
        body = document.body if document and status is HTTPStatus.OK else b""
        # Not send_response, which would add the wall clock's Date.
        self.send_response_only(status)
        if document:
            self.send_header("ETag", document.etag)
            self.send_header("Last-Modified", http_date(document.modified_at))
            self.send_header("Content-Type", f"{document.media_type}; charset=utf-8")
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_oddly(self, odd: OddAnswer) -> None:
        """Whatever the client knows: no page of this kind answers "not modified"."""
        self.send_response_only(odd.status)
        self.send_header("Content-Type", f"{odd.media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(odd.body)))
        self.end_headers()
        self.wfile.write(odd.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its parent's name
        """Log nothing: the stages log what they fetch."""
