"""moto's S3 on loopback: what a client in another process asks is put to moto in this one.

The lock holds moto without its own server, which needs Flask.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import requests
from moto import mock_aws

REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
_S3 = f"https://s3.{REGION}.amazonaws.com"
# Of one connection, or of the body as it was sent to us.
_NOT_PASSED_ON = {"connection", "content-length", "content-encoding", "date", "host", "server"}


class _Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        headers = {n: v for n, v in self.headers.items() if n.lower() not in _NOT_PASSED_ON}
        # moto answers these before they leave the process.
        answer = requests.get(_S3 + self.path, headers=headers, timeout=10)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class S3:
    """A client of this process, to fill it, and the variables by which another finds it."""

    client: Any
    variables: dict[str, str]


@contextmanager
def s3_endpoint() -> Iterator[S3]:
    with mock_aws():
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Asked)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            client = boto3.client(
                "s3",
                region_name=REGION,
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            address = f"http://127.0.0.1:{server.server_port}"
            yield S3(client, {"AWS_ENDPOINT_URL_S3": address, **KEYS})
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
