"""The file that `ops check --order` leaves: what was sent and answered, for the contract tests."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops_local.home import Home


def place_for(home: Home, account: str, now: datetime) -> Path:
    return home.folder / "transcripts" / f"order-{account}-{now.astimezone(UTC):%Y%m%dT%H%M%S}.json"


def write(file: Path, report: Mapping[str, Any], now: datetime) -> None:
    """Write a report's transcript into a new file.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    kept = {
        "made_at": now.astimezone(UTC).isoformat(),
        "address": report["address"],
        "state": report["state"],
        "steps": report["steps"],
        "exchanges": report["transcript"],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as out:
        json.dump(kept, out, indent=1)
        out.write("\n")
