"""The two halt documents with figures of the tests' own making."""

from collections.abc import Sequence
from dataclasses import dataclass

HEADER = "Halt Date,Halt Time,Symbol,Name,Exchange,Reason,Resume Date,NYSE Resume Time"


@dataclass(frozen=True)
class HaltRow:
    """One item, times as both exchanges write them: Eastern wall clock."""

    ticker: str = "AAA"
    reason: str = "T1"
    day: str = "02/04/2026"
    time: str = "09:31:05"
    resumption_day: str = ""
    resumption_time: str = ""
    quotes_from: str = ""


def nasdaq(rows: Sequence[HaltRow], *, announced: int | None = None) -> bytes:
    items = "".join(
        f"<item><title>{row.ticker}</title>"
        f"<ndaq:HaltDate>{row.day}</ndaq:HaltDate><ndaq:HaltTime>{row.time}</ndaq:HaltTime>"
        f"<ndaq:IssueSymbol>{row.ticker}</ndaq:IssueSymbol>"
        f"<ndaq:ReasonCode>{row.reason}</ndaq:ReasonCode>"
        f"<ndaq:ResumptionDate>{row.resumption_day}</ndaq:ResumptionDate>"
        f"<ndaq:ResumptionQuoteTime>{row.quotes_from}</ndaq:ResumptionQuoteTime>"
        f"<ndaq:ResumptionTradeTime>{row.resumption_time}</ndaq:ResumptionTradeTime></item>"
        for row in rows
    )
    count = len(rows) if announced is None else announced
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<rss version="2.0" xmlns:ndaq="http://www.nasdaqtrader.com/"><channel>'
        "<title>Halts</title><description>Trade Halts</description>"
        f"<ndaq:numItems>{count}</ndaq:numItems>{items}</channel></rss>"
    ).encode()


def nyse(rows: Sequence[HaltRow], *, header: str = HEADER) -> bytes:
    lines = [
        f'{row.day},{row.time},"""{row.ticker}""","A ""Quoted"" Name, Inc.",NYSE,{row.reason},'
        f"{row.resumption_day},{row.resumption_time}"
        for row in rows
    ]
    return ("\r\n".join([header, *lines]) + "\r\n").encode("utf-8-sig")
