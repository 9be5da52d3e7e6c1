"""Settles what trades cost with what the broker charged."""
