"""Prices that all accounts share."""
