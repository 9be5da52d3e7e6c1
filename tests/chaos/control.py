"""Moves the clock of a running exchange and reads its tables, by its URL."""

from datetime import datetime
from typing import Any

import urllib3


def set_clock(url: str, now: datetime) -> None:
    """Move its clock; to where it stands already is harmless."""
    _ask("POST", f"{url}/control/clock", {"now": now.isoformat()})


def now(url: str) -> datetime:
    return datetime.fromisoformat(_ask("GET", f"{url}/control/clock")["now"])


def tables(url: str) -> dict[str, list[dict[str, Any]]]:
    return _ask("GET", f"{url}/control/tables")


def _ask(method: str, url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    with urllib3.PoolManager(retries=False, timeout=30) as http:
        answer = http.request(method, url, json=body)
        if answer.status != 200:
            raise RuntimeError(f"{method} {url}: {answer.status} {answer.data.decode()}")
        return dict(answer.json())
