"""Where a rule stands in SQL as well as in Python, both say the same."""

from datetime import date
from itertools import product
from typing import get_args

import pytest

from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.halts import HALTED
from ops_pipeline.domain.orders import LIVE, Status

YESTERDAY, TODAY = date(2026, 2, 3), date(2026, 2, 4)


def test_sql_and_python_hold_the_same_statuses_for_live(db: Database) -> None:
    statuses = get_args(Status)
    with db.transaction() as tx:
        rows = tx.rows(
            "SELECT status, is_live(status) AS live FROM unnest(CAST(:all AS text[])) AS status",
            all=list(statuses),
        )
    assert {row["status"] for row in rows if row["live"]} == LIVE
    assert len(rows) == len(statuses) > len(LIVE)


@pytest.mark.parametrize(
    ("operator", "books", "latched"),
    list(product((None, "lunch"), (None, "AAA differs"), (None, YESTERDAY, TODAY))),
)
def test_sql_and_python_halt_the_same_accounts_for_the_same_reason(
    db: Database, operator: str | None, books: str | None, latched: date | None
) -> None:
    with db.transaction() as tx:
        tx.execute(
            "UPDATE accounts SET operator_halt = :operator, books_halt = :books,"
            " kill_switch = :switch, kill_switch_day = :day WHERE account_name = 'large'",
            operator=operator,
            books=books,
            switch=None if latched is None else "Daily loss",
            day=latched,
        )
        halts = accounts.load(tx, "large").halts(TODAY)
        row = tx.one(
            f"SELECT {HALTED} AS halted FROM accounts WHERE account_name = 'large'", today=TODAY
        )
    assert row == {"halted": next(iter(halts.values()), None)}
