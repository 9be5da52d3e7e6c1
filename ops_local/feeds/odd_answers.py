"""What servers of feeds send in place of a feed, where a test or a rehearsal wants one to."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

OddAnswerName = Literal["block_page", "empty", "json", "refused", "unavailable"]


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """One answer, with its status and the media type that it claims."""

    status: HTTPStatus
    body: bytes = b""
    media_type: str = "text/html"


_BLOCKED = b"""<!DOCTYPE html>
<html><head><title>Just a moment...</title></head>
<body><h1>Checking your browser before you go on</h1></body></html>
"""
ODD_ANSWERS: dict[OddAnswerName, OddAnswer] = {
    "block_page": OddAnswer(HTTPStatus.OK, _BLOCKED),
    "empty": OddAnswer(HTTPStatus.OK, media_type="application/rss+xml"),
    "json": OddAnswer(HTTPStatus.OK, b'{"status": "ok", "items": null}', "application/json"),
    "refused": OddAnswer(HTTPStatus.FORBIDDEN, _BLOCKED),
    "unavailable": OddAnswer(HTTPStatus.SERVICE_UNAVAILABLE),
}
