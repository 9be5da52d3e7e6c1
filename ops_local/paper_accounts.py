"""Binds the accounts of a database to those of a paper exchange, by the code for real ones."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from ops_local.exchange.launcher import PaperAccount
from ops_pipeline.db import accounts, bindings
from ops_pipeline.db.driver.connection import Transaction

# No secret: replaying a day twice gives the same rows, and the numbers are in this repository.
_SALT = hashlib.sha256(b"paper exchange").digest()
_BY = "paper exchange"


def bind(tx: Transaction, papers: Iterable[PaperAccount], now: datetime) -> None:
    """Bind each account of these names; those that are bound already stay as they are.

    Raises:
        InvalidInput: the database has no account of that name.
        ConstraintViolated: one is bound to another number, so this is no database for play.
    """
    for paper in papers:
        account = accounts.load(tx, paper.name)
        bindings.bind(tx, account, paper.account_number, new_salt=lambda: _SALT, by=_BY, now=now)
