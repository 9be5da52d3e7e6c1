"""Adapters of announced corporate actions."""
