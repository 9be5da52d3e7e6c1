"""The exchange as an ASGI application and as a process that says when it is ready."""

import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from ops_local.exchange.api import (
    activity_routes,
    calendar_routes,
    control_routes,
    data_routes,
    trading_routes,
)
from ops_local.exchange.api.calls import json_response
from ops_local.exchange.exchange import Exchange

_KEEP_ALIVE_S = 3600  # a replay may think for long; a connection cut then looks like a lost answer
_SHUTDOWN_S = 1


def application(exchange: Exchange, *, url: str) -> Starlette:
    """The routes over one exchange; writes one line of JSON once it serves them."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()
        yield
        exchange.close()

    app = Starlette(
        routes=[
            *trading_routes.ROUTES,
            *activity_routes.ROUTES,
            *calendar_routes.ROUTES,
            *data_routes.ROUTES,
            *control_routes.ROUTES,
        ],
        exception_handlers={404: _no_such_route, 405: _no_such_route, 500: _failed},
        lifespan=lifespan,
    )
    app.state.exchange = exchange
    return app


def serve(exchange: Exchange, *, port: int, lifeline: int | None) -> None:
    """Serve on 127.0.0.1 until told to stop, or until the lifeline's other end is closed.

    Args:
        port: 0 takes a free one.
        lifeline: A file descriptor, read to its end in the background: it ends when the
            parent does, even when the parent is killed.
    """
    with _listener(port) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(
                application(exchange, url=url),
                log_level="warning",
                access_log=False,
                http="httptools",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )
        if lifeline is not None:
            threading.Thread(target=_follow, args=(lifeline, server), daemon=True).start()
        server.run(sockets=[listener])


def _listener(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it an
    # answer waits some 40 ms for the client's acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def _follow(lifeline: int, server: uvicorn.Server) -> None:
    # Not through sys.stdin: a thread that waits in its buffer aborts the interpreter's exit.
    while os.read(lifeline, 1024):
        pass
    server.should_exit = True


async def _no_such_route(request: Request, _: Exception) -> Response:
    return json_response({"code": 40410000, "message": f"no route {request.url.path}"}, 404)


async def _failed(_: Request, __: Exception) -> Response:
    """Starlette raises the error on after this answer, so that it stands in the log."""
    return json_response({"code": 50010000, "message": "internal server error occurred"}, 500)
