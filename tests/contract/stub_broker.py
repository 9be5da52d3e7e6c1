"""A loopback HTTP server that answers as a test scripts it, and counts what it was asked."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCOUNT_NUMBER = "PA-STUB-7"
ACCOUNT = {
    "account_number": ACCOUNT_NUMBER,
    "status": "ACTIVE",
    "trading_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
    "shorting_enabled": False,
    "cash": "1000.5",
    "equity": "1000.5",
    "last_equity": "990",
    "buying_power": "1000.5",
}


@dataclass
class Answer:
    """One scripted answer.

    Attributes:
        cut: Close the connection after so many bytes of the body.
        hangs: Never answer.
        hangs_up: Close the connection instead of answering.
        closes: Close the connection after the answer, and say so.
    """

    status: int = 200
    body: Any = None
    cut: int | None = None
    hangs: bool = False
    hangs_up: bool = False
    closes: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """One request as it came; `body` is its JSON, None without one."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    key_id: str | None = None

    @property
    def request(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Stub:
    """Answers by "METHOD /path": the given ones in order, the last of them for ever.

    Attributes:
        keys: Account number by key id. Where there are any, a request with another key is
            not authorized, and the account tells the number of the key that asked.
    """

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    sent: list[Sent] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    released: Event = field(default_factory=Event)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def queries(self) -> list[dict[str, str]]:
        return [sent.query for sent in self.sent]

    @property
    def bodies(self) -> list[Any]:
        return [sent.body for sent in self.sent]

    def script(self, request: str, *answers: Answer) -> None:
        self.answers[request] = list(answers)

    def requests_by(self, key_id: str) -> list[str]:
        """What was asked with that key, in order."""
        return [sent.request for sent in self.sent if sent.key_id == key_id]

    def next_answer(self, request: str, key_id: str | None = None) -> Answer:
        self.asked[request] += 1
        if self.keys and key_id not in self.keys:
            return Answer(401, {"code": 40110000, "message": "request is not authorized"})
        if self.keys and request == "GET /v2/account":
            return Answer(body={**ACCOUNT, "account_number": self.keys[str(key_id)]})
        scripted = self.answers.get(request, [Answer(501, {"message": "not scripted"})])
        return scripted.pop(0) if len(scripted) > 1 else scripted[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stub: Stub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_GET  # noqa: N815 - the standard library's name
    do_DELETE = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Be quiet."""

    def _answer(self) -> None:
        stub = self.server.stub
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        sent = Sent(self.command, parts.path, query, body, self.headers.get("APCA-API-KEY-ID"))
        stub.sent.append(sent)
        answer = stub.next_answer(sent.request, sent.key_id)
        if answer.hangs:
            stub.released.wait(30)
        if answer.hangs or answer.hangs_up:
            self.close_connection = True
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if answer.cut is None else body[: answer.cut])
        if answer.cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving() -> Iterator[Stub]:
    """A stub whose account is bound to ACCOUNT_NUMBER and has nothing in it."""
    stub = Stub()
    stub.script("GET /v2/account", Answer(body=ACCOUNT))
    server = _Server(stub)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
