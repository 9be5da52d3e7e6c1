"""Answers Lambda's Invoke on loopback by calling our own handlers, as a deployed stack would.

What a handler raises comes back as Lambda tells it: status 200, a header, the class name
and the message.
"""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from urllib.parse import unquote

STACK = "ops-pipeline"
_NUMBERS = itertools.count(1)
_ONE_AT_A_TIME = threading.Lock()
_PREFIX = "/2015-03-31/functions/"


class _Context:
    """What Lambda tells a function of a call."""

    def __init__(self, name: str) -> None:
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.aws_request_id = f"request-{next(_NUMBERS)}"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class _Invocation(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        # A machine calls by the ARN of any region and account, whose last part is the name.
        called = unquote(self.path.removeprefix(_PREFIX).partition("/")[0])
        _, _, called = called.rpartition(":function:")
        name = called.partition(":")[0]
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not name.startswith(f"{STACK}-"):
            return self._answer(404, {"Message": f"Function not found: {name}"}, {
                "x-amzn-errortype": "ResourceNotFoundException"})  # fmt: skip
        stage = name.removeprefix(f"{STACK}-").replace("-", "_")
        handler = import_module(f"functions.{stage}.handler").lambda_handler
        try:
            # In AWS each has a process of its own; here they share one database session.
            with _ONE_AT_A_TIME:
                answer = handler(event, _Context(called))
            return self._answer(200, answer, {})
        except Exception as error:  # noqa: BLE001 - Lambda tells of any, by name
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return self._answer(200, told, {"X-Amz-Function-Error": "Unhandled"})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
        self._send(status, json.dumps(body).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def canned_lambda(body: bytes, *, failed: bool) -> Iterator[dict[str, str]]:
    """One whose functions all answer so; `failed` as for an error of the function."""

    class Canned(_Invocation):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(200, body, {"X-Amz-Function-Error": "Unhandled"} if failed else {})

    with _serving(Canned) as variables:
        yield variables


@contextmanager
def lambda_endpoint() -> Iterator[dict[str, str]]:
    """The variables by which AWS's own client finds it."""
    with _serving(_Invocation) as variables:
        yield variables


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield {
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
