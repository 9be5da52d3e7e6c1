"""The exchange as an ASGI application, and the server process around it."""

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
    corporate_routes,
    data_routes,
    index_routes,
    trading_routes,
)
from ops_local.exchange.api.calls import json_response
from ops_local.exchange.exchange import Exchange

_KEEP_ALIVE_S = (
    3600  # a replay may pause for long; a closed connection would look like a lost reply
)
_SHUTDOWN_S = 1


def application(exchange: Exchange, *, port: int, control_token: str) -> Starlette:
    """The application of one exchange; it prints one line of JSON once it serves requests."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        served = {"url": f"http://127.0.0.1:{port}", "control_token": control_token}
        sys.stdout.write(json.dumps(served) + "\n")
        sys.stdout.flush()
        yield
        exchange.close()

    app = Starlette(
        routes=[
            *trading_routes.ROUTES,
            *activity_routes.ROUTES,
            *calendar_routes.ROUTES,
            *data_routes.ROUTES,
            *index_routes.ROUTES,
            *corporate_routes.ROUTES,
            *control_routes.ROUTES,
        ],
        exception_handlers={404: _no_such_route, 405: _no_such_route, 500: _failed},
        lifespan=lifespan,
    )
    app.state.exchange = exchange
    app.state.control_token = control_token
    app.state.hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
    return app


def serve(exchange: Exchange, *, port: int, parent_pipe: int | None, control_token: str) -> None:
    """Serve on 127.0.0.1 until stopped, or until the parent process has ended.

    Args:
        port: 0 picks a free one.
        parent_pipe: A file descriptor that is read to its end in the background: it is
            closed when the parent ends, even when the parent is killed.
        control_token: What each control request must carry.
    """
    with _listener(port) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                application(exchange, port=listener.getsockname()[1], control_token=control_token),
                log_level="warning",
                access_log=False,
                http="httptools",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )
        if parent_pipe is not None:
            threading.Thread(
                target=_stop_with_parent, args=(parent_pipe, server), daemon=True
            ).start()
        server.run(sockets=[listener])


def _listener(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it a
    # response waits some 40 ms for the client's acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def _stop_with_parent(parent_pipe: int, server: uvicorn.Server) -> None:
    # Not through sys.stdin: a thread waiting on its buffer aborts the interpreter's exit.
    while os.read(parent_pipe, 1024):
        pass
    server.should_exit = True


async def _no_such_route(request: Request, _: Exception) -> Response:
    return json_response({"code": 40410000, "message": f"no route {request.url.path}"}, 404)


async def _failed(_: Request, __: Exception) -> Response:
    """Starlette re-raises the error after this response, so that it is logged."""
    return json_response({"code": 50010000, "message": "internal server error occurred"}, 500)
