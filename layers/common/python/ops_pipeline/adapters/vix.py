"""Daily closes of the CBOE volatility index, from its publisher's CSV."""

import csv
from collections.abc import Sequence
from datetime import date, datetime

from ops_pipeline.adapters.feed_http import FeedHttp
from ops_pipeline.adapters.permitted_addresses import Network, PermittedAddresses
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.regime import RegimeSource, is_plausible_vix
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading

_CONNECT_S, _READ_S, _TOTAL_S = 3.0, 5.0, 10.0
# All days since 1990 are 0.4 MB.
_MOST_BYTES = 3 * 1024 * 1024


class VixCsv:
    """A CSV with the columns DATE (01/31/2026 or 2026-01-31), OPEN, HIGH, LOW, CLOSE."""

    def __init__(self, url: str, networks: Sequence[Network] = ()) -> None:
        self._url = url
        self._http = FeedHttp(
            connect_s=_CONNECT_S,
            read_s=_READ_S,
            total_s=_TOTAL_S,
            proxy_url=None,
            permitted=PermittedAddresses(networks),
        )

    source: RegimeSource = "vix"

    def readings(self, last: Session) -> list[VixReading]:  # noqa: ARG002 - its file has all days
        """The published daily closes, oldest first.

        Raises:
            FeedUnavailable: no response, or one that is not this CSV to its end: a partial
                history must not be taken for a whole one.
        """
        try:
            answer = self._http.get(self._url, {}, most_bytes=_MOST_BYTES)
        except FeedUnavailable as error:
            raise FeedUnavailable(f"VIX: {error}") from error
        return _parsed(answer.body)


def _parsed(content: bytes) -> list[VixReading]:
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
        if not {"DATE", "CLOSE"} <= {*(rows.fieldnames or ())}:
            raise FeedUnavailable("VIX: not the CSV that was expected (its columns are others)")
        readings = [VixReading(_day(row["DATE"]), float(row["CLOSE"])) for row in rows]
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise FeedUnavailable(f"VIX: not the CSV that was expected ({error})") from error
    odd = [reading for reading in readings if not is_plausible_vix(reading.close)]
    if odd:
        raise FeedUnavailable(f"VIX: {odd[0].close:g} on {odd[0].day} is out of all bounds")
    if len({reading.day for reading in readings}) < len(readings):
        raise FeedUnavailable("VIX: a day stands twice")
    return sorted(readings, key=lambda reading: reading.day)


def _day(text: str) -> date:
    if "/" in text:
        return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007 - a day, no moment
    return date.fromisoformat(text)
