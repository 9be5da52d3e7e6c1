"""Fault injection: rules say which requests fail, how, and how often by a seed."""
