"""Halts of trading and dates of events, as they are stored."""
