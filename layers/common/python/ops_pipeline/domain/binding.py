"""Accounts at a broker told apart without their numbers."""

import hashlib
import hmac

# As long as the hash that it is mixed into.
SALT_BYTES = 32


def number_mark(salt: bytes, broker: str, account_number: str) -> str:
    """HMAC-SHA256 in hex of an account's number at its broker.

    The same number has the same mark in one database and another in every other one. Numbers
    are short: whoever has a mark and not the salt can't try them one by one.
    """
    return hmac.new(salt, f"{broker}\0{account_number}".encode(), hashlib.sha256).hexdigest()
