"""What trading came to: returns, drawdowns, statistics of trades, each with its uncertainty."""
