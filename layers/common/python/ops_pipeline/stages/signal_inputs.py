"""Inputs for evaluating a ticker: its newest features, if fresh, and its news."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ops_pipeline.db import features, telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.news import stories_by_ticker
from ops_pipeline.db.recommendations import SignalInputs
from ops_pipeline.domain.market import MINUTE, new_york_day
from ops_pipeline.domain.news.ticker_sentiment import ticker_sentiment
from ops_pipeline.domain.parameters import Parameters


def gather(
    tx: Transaction, tickers: Iterable[str], rules: Parameters, *, tick: datetime, now: datetime
) -> dict[str, SignalInputs]:
    """Inputs by ticker; halted tickers and those with old features are left out."""
    held = telemetry.halted_tickers(tx, new_york_day(tick))
    since = tick - MINUTE - timedelta(seconds=rules.gates.feature_age_s)
    free = [ticker for ticker in tickers if ticker not in held]
    fresh = features.latest(tx, free, since=since, until=tick)
    window_minutes = rules.news.window_minutes
    stories = stories_by_ticker(tx, list(fresh), now, window_minutes=window_minutes)
    return {
        ticker: SignalInputs(
            stored,
            ticker_sentiment(stories.get(ticker, ()), now, window_minutes=window_minutes),
        )
        for ticker, stored in sorted(fresh.items())
    }
