"""Daily closes of the CBOE volatility index, from its publisher's CSV."""

import csv
from datetime import date, datetime

import urllib3

from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading

_TIMEOUT_S = 10.0
_OK = 200


class VixCsv:
    """A CSV with the columns DATE (01/31/2026 or 2026-01-31), OPEN, HIGH, LOW, CLOSE."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=_TIMEOUT_S), retries=urllib3.Retry(0, redirect=2)
        )

    def readings(self) -> list[VixReading]:
        """The published daily closes, oldest first.

        Raises:
            FeedUnavailable: no response, or one that is not this CSV to its end: a partial
                history must not be taken for a whole one.
        """
        try:
            answer = self._pool.request("GET", self._url)
        except urllib3.exceptions.HTTPError as error:
            raise FeedUnavailable(f"VIX: {type(error).__name__}") from error
        if answer.status != _OK:
            raise FeedUnavailable(f"VIX: HTTP {answer.status}")
        return _parsed(answer.data)


def _parsed(content: bytes) -> list[VixReading]:
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
        readings = [VixReading(_day(row["DATE"]), float(row["CLOSE"])) for row in rows]
    except (UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise FeedUnavailable(f"VIX: not the CSV that was expected ({error})") from error
    if not all(0 < reading.close < 1000 for reading in readings):
        raise FeedUnavailable("VIX: a close is out of all bounds")
    return sorted(readings, key=lambda reading: reading.day)


def _day(text: str) -> date:
    if "/" in text:
        return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007 - a day, no moment
    return date.fromisoformat(text)
