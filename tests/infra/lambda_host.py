"""A function as Lambda runs it: its asset and layers unpacked, awslambdaric, a Runtime API."""

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_NEXT = "/2018-06-01/runtime/invocation/next"
_TIMEOUT_S = 120
_DEADLINE_MS = "4102444800000"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the function sent back; `failed` means Lambda would report FunctionError."""

    failed: bool
    body: Any


@dataclass
class _Api:
    """Hands out events one at a time and takes the answers."""

    events: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    answers: "queue.Queue[Answered]" = field(default_factory=queue.Queue)
    closed: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: _Api) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Be quiet."""

    def do_GET(self) -> None:
        assert self.path == _NEXT
        while not self.server.api.closed.is_set():
            try:
                event = self.server.api.events.get(timeout=0.1)
            except queue.Empty:
                continue
            self.send_response(200)
            self.send_header(
                "Lambda-Runtime-Aws-Request-Id", "0f6c0000-0000-4000-8000-000000000001"
            )
            self.send_header("Lambda-Runtime-Deadline-Ms", _DEADLINE_MS)
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(event)))
            self.end_headers()
            self.wfile.write(event)
            return
        self.close_connection = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.api.answers.put(Answered(self.path.endswith("/error"), body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


@dataclass
class Host:
    """One warm environment."""

    api: _Api
    process: "subprocess.Popen[bytes]"

    def invoke(self, event: Any) -> Answered:
        self.api.events.put(json.dumps(event).encode())
        return self.api.answers.get(timeout=_TIMEOUT_S)


# Lambda's runtime client. Where SESSION_CLOCK is set, the clock port's one adapter gives that
# instant: a stage that touches the broker refuses a tick away from the clock.
_RUNTIME = """
import os, runpy, sys
from datetime import datetime

if "SESSION_CLOCK" in os.environ:
    from ops_pipeline.adapters.clock import WallClock

    WallClock.now = lambda self: datetime.fromisoformat(os.environ["SESSION_CLOCK"])
sys.argv[0] = "awslambdaric"
runpy.run_module("awslambdaric", run_name="__main__")
"""


@contextmanager
def started(
    python: Path, handler: str, folders: list[Path], variables: Mapping[str, str], log: Path
) -> Iterator[Host]:
    """Start a function's process with nothing but its own folders on the path.

    Args:
        folders: The task root first, then what the layers unpack to, then awslambdaric.
        log: What it prints goes here.
    """
    api = _Api()
    server = _Server(api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    environment = {
        **variables,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(map(str, folders)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(folders[0]),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(python), "-S", "-P", "-c", _RUNTIME, handler],
            cwd=folders[0],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Host(api, process)
    finally:
        process.kill()
        process.wait()
        api.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


def unpack(layers: list[Path], into: Path) -> Path:
    """Lay the layers over each other, as Lambda does below its own folder; links, no copies."""
    for layer in layers:
        shutil.copytree(layer, into, copy_function=os.link, dirs_exist_ok=True)
    return into / "python"
