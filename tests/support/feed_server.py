"""A feed server on loopback that answers what a test told it to, over real HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from threading import Thread
from typing import Any

from ops_pipeline.adapters.rss import RssFeed

LOOPBACK = (ip_network("127.0.0.0/8"),)


def local_feed(**bounds: Any) -> RssFeed:
    """A reader that may read this server."""
    return RssFeed(networks=LOOPBACK, **bounds)


@dataclass
class Page:
    """One answer. With `etag`, a request that brings it gets 304.

    `declared_bytes` promises another length than the body's; `drip_s` waits before each
    of its bytes, `drip_headers_s` before each of the headers'. -1 declared bytes: none.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    declared_bytes: int | None = None
    drip_s: float = 0.0
    drip_headers_s: float = 0.0


@dataclass
class FeedServer:
    """Pages by path, and the headers of each request that came, by path."""

    root: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def put(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return self.root + path


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    served = FeedServer(root="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name.lower(): value for name, value in self.headers.items()}
            served.requests.setdefault(self.path, []).append(asked)
            _answer(self, served.pages.get(self.path, Page(status=404)), asked)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing: a test's output is pytest's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.root = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, page: Page, asked: dict[str, str]) -> None:
    unchanged = page.etag is not None and asked.get("if-none-match") == page.etag
    handler.send_response(304 if unchanged else page.status)
    for name, value in page.headers.items():
        handler.send_header(name, value)
    if page.etag:
        handler.send_header("ETag", page.etag)
    body = b"" if unchanged else page.body
    declared = len(body) if page.declared_bytes is None else page.declared_bytes
    if declared >= 0:
        handler.send_header("Content-Length", str(declared))
    try:
        if page.drip_headers_s:
            handler.flush_headers()
            _drip(handler, b"X-Slow: " + b"a" * 400 + b"\r\n", page.drip_headers_s)
        handler.end_headers()
        _drip(handler, body, page.drip_s)
    except (BrokenPipeError, ConnectionResetError):
        # The reader gave up, as it should.
        return


def _drip(handler: BaseHTTPRequestHandler, data: bytes, pause_s: float) -> None:
    if not pause_s:
        handler.wfile.write(data)
        return
    for byte in data:
        time.sleep(pause_s)
        handler.wfile.write(bytes([byte]))


def rss(*items: str, encoding: str = "utf-8") -> bytes:
    """An RSS 2.0 document around ready items."""
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        f'<rss version="2.0"><channel><title>Wire</title>{"".join(items)}</channel></rss>'
    )
    return text.encode(encoding)


def item(
    title: str | None = None,
    *,
    guid: str | None = None,
    link: str | None = None,
    published: str | None = None,
    summary: str | None = None,
) -> str:
    """One RSS item with the elements that are given, their text as it stands."""
    parts = {
        "title": title,
        "guid": guid,
        "link": link,
        "pubDate": published,
        "description": summary,
    }
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in parts.items() if text is not None)
    return "<item>" + inside.replace("<guid>", '<guid isPermaLink="false">') + "</item>"
