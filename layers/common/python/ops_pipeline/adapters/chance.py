"""Bytes that nobody can guess: for a secret that no replay has to repeat."""

import secrets

from ops_pipeline.domain.binding import SALT_BYTES


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)
