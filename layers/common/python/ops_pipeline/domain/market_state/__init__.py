"""Whether trading goes on: halts of tickers, silences, dates of events."""
