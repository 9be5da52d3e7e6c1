"""Fees that the exchange charges on trades."""
