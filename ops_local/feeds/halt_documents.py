"""The halts of a recorded day as Nasdaq and NYSE publish them: Eastern wall clock, no offset."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from ops_local.recordings.halts import RecordedHalt
from ops_pipeline.domain.market import NEW_YORK

_NDAQ = "http://www.nasdaqtrader.com/"
_HEADER = (
    "Halt Date", "Halt Time", "Symbol", "Name", "Exchange", "Reason", "Resume Date",
    "NYSE Resume Time",
)  # fmt: skip


def nasdaq(halts: Sequence[RecordedHalt], now: datetime) -> bytes:
    """Nasdaq's feed as of a moment: a resumption stands in it once it has come."""
    ET.register_namespace("ndaq", _NDAQ)
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    ET.SubElement(channel, "title").text = "Trade halts"
    ET.SubElement(channel, "description").text = "Trade halts of the recorded day"
    ET.SubElement(channel, f"{{{_NDAQ}}}numItems").text = str(len(halts))
    for halt in halts:
        item = ET.SubElement(channel, "item")
        ET.SubElement(item, "title").text = halt.ticker
        ends = _end(halt, now)
        for name, text in (
            ("IssueSymbol", halt.ticker),
            ("ReasonCode", halt.reason),
            ("HaltDate", _day(halt.halted_at)),
            ("HaltTime", _time(halt.halted_at)),
            ("ResumptionDate", _day(ends)),
            ("ResumptionQuoteTime", _time(ends)),
            ("ResumptionTradeTime", _time(ends)),
        ):
            ET.SubElement(item, f"{{{_NDAQ}}}{name}").text = text
    document: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}'.encode()


def nyse(halts: Sequence[RecordedHalt], now: datetime) -> bytes:
    """NYSE's list as of a moment."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(_HEADER)
    for halt in halts:
        ends = _end(halt, now)
        rows.writerow(
            (
                _day(halt.halted_at), _time(halt.halted_at), halt.ticker, halt.ticker, "NYSE",
                halt.reason, _day(ends), _time(ends),
            )
        )  # fmt: skip
    return written.getvalue().encode()


def _end(halt: RecordedHalt, now: datetime) -> datetime | None:
    return halt.resumed_at if halt.resumed_at is not None and halt.resumed_at <= now else None


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(NEW_YORK).strftime("%m/%d/%Y")


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(NEW_YORK).strftime("%H:%M:%S")
