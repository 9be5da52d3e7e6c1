"""Halts of trading: stored and watched."""
