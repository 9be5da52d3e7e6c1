"""Requests that end: a connection is hung up when its answer takes too long, in any part of it.

Time-outs of a socket begin anew with each byte, so a server that drips its handshake, its
headers or its body holds a client for as long as it likes.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer, local

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_of_thread = local()


class Guard:
    """Hangs up the connection that a thread waits for, when its time is over."""

    def __init__(self) -> None:
        self.over = False
        self._lock = Lock()
        self._held: socket.socket | None = None

    def watch(self, sock: socket.socket) -> None:
        """Watch this connection from now on, instead of the one before."""
        # A handle of our own: TLS takes the plain socket's away before its handshake, and a
        # number that is closed may be another's by the time that it is needed.
        with self._lock:
            self._release()
            self._held = socket.socket(fileno=os.dup(sock.fileno()))
        if self.over:
            self.hang_up()

    def hang_up(self) -> None:
        """End it. On the plain socket: TLS would first wait for a server that does not respond."""
        self.over = True
        with self._lock:
            if self._held is not None:
                # An error means that it is closed already.
                with suppress(OSError):
                    self._held.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


@contextmanager
def in_time(seconds: float) -> Iterator[Guard]:
    """This thread's requests in the block are hung up on after so many seconds; not nested.

    Whether that happened the guard says: what a request raises then may be anything.
    """
    guard = _of_thread.guard = Guard()
    timer = Timer(seconds, guard.hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield guard
    finally:
        timer.cancel()
        _of_thread.guard = None
        guard.release()


class Hangable(HTTPConnection):
    """Shows its socket to the guard as soon as there is one, and when it is used again."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        _watch(sock)
        return sock

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        _watch(self.sock)
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class HangableSecurely(Hangable, HTTPSConnection):
    """The same over TLS."""


class HangablePool(HTTPConnectionPool):
    """Connections that a guard can hang up."""

    ConnectionCls = Hangable


class HangableSecurePool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = HangableSecurely


HANGABLE_POOLS = {"http": HangablePool, "https": HangableSecurePool}


def _watch(sock: socket.socket | None) -> None:
    guard: Guard | None = getattr(_of_thread, "guard", None)
    if guard is not None and sock is not None and sock.fileno() >= 0:
        guard.watch(sock)
