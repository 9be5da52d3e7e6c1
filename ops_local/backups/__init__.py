"""Backups of a database of this machine, and their restoring."""
