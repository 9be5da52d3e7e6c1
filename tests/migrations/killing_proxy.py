"""Stands between a runner and Postgres, counts what it sends, and kills it at one of these.

A statement is whatever the client waits for an answer to: a simple query, or the messages
up to a Sync. The runner is a real process and dies by SIGKILL.
"""

import os
import signal
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

Moment = Literal["before", "during", "after"]

_ASKS = (b"Q", b"S")
_READY = b"Z"
_TLS_REQUEST = 80877103


@dataclass(frozen=True, slots=True)
class Doom:
    """Kill around statement number `statement`, from 1."""

    statement: int
    moment: Moment


class KillingProxy:
    """Serves one connection; also a context manager.

    Attributes:
        port: Where it listens on 127.0.0.1.
        seen: How many statements came by.
        victim: The process to kill, to be set before it connects.
    """

    def __init__(self, upstream_port: int, doom: Doom | None = None) -> None:
        self._upstream_port = upstream_port
        self._doom = doom
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.seen = 0
        self.victim = 0
        self._dying = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(30)

    def _serve(self) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self._upstream_port)) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answers = threading.Thread(target=self._pass_answers, args=(server, client))
                answers.start()
                with suppress(OSError):
                    self._pass_statements(client, server)
                for end in (client, server):
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                answers.join()

    def _pass_statements(self, client: socket.socket, server: socket.socket) -> None:
        server.sendall(_startup(client))
        while (message := _message(client)) is not None:
            if message[:1] in _ASKS:
                self.seen += 1
                if self._is_due("before"):
                    return self._kill()
                if self._is_due("after"):
                    self._dying = True
            server.sendall(message)
            if message[:1] in _ASKS and self._is_due("during"):
                return self._kill()
        return None

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while (message := _message(server)) is not None:
                if self._dying and message[:1] == _READY:
                    self._kill()
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if not self._dying:
                    client.sendall(message)

    def _is_due(self, moment: Moment) -> bool:
        return self._doom == Doom(self.seen, moment)

    def _kill(self) -> None:
        os.kill(self.victim, signal.SIGKILL)


def _startup(client: socket.socket) -> bytes:
    """The message that opens a session; a client that asks for TLS first is told there is none."""
    head = _exactly(client, 8)
    if head is None:
        raise ConnectionError("the client left at once")
    length, code = struct.unpack("!ii", head)
    if code == _TLS_REQUEST:
        client.sendall(b"N")
        return _startup(client)
    return head + (_exactly(client, length - 8) or b"")


def _message(source: socket.socket) -> bytes | None:
    head = _exactly(source, 5)
    if head is None:
        return None
    body = _exactly(source, struct.unpack("!i", head[1:])[0] - 4)
    return None if body is None else head + body


def _exactly(source: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        piece = source.recv(size - len(found))
        if not piece:
            return None
        found += piece
    return found
