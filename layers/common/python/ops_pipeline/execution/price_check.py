"""Judges the quotes of a run beside the bars that are stored and the trades that came along."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.market import Quotes, Session
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.prices.plausibility import Evidence, JudgedQuote, judge_of

_NOTHING: Mapping[str, Sequence[Evidence]] = {}


def judge_quotes(
    tx: Transaction,
    quotes: Quotes,
    *,
    now: datetime,
    session: Session | None,
    rules: Parameters,
    earlier: Mapping[str, Sequence[Evidence]] = _NOTHING,
) -> dict[str, JudgedQuote]:
    """Each quote with the verdict on it.

    Args:
        earlier: What quotes of earlier ticks said, by symbol.
    """
    since = now - timedelta(seconds=rules.prices.evidence_age_s)
    bars = telemetry.last_bars(tx, sorted(quotes), since=since)
    judged = {
        symbol: judge_of(
            symbol,
            quotes,
            bars.get(symbol),
            earlier.get(symbol, ()),
            now=now,
            session=session,
            rules=rules,
        )
        for symbol in quotes
    }
    return {symbol: quote for symbol, quote in judged.items() if quote is not None}
