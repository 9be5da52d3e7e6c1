"""Tables of what the stages did, read from the database."""

from collections.abc import Iterator
from functools import partial

from ops_local.looks import alone, is_known, looked
from ops_local.summary import Part
from ops_local.summary_sql import (
    DAY,
    EXECUTIONS,
    POSITIONS,
    RECOMMENDATIONS,
    REFUSALS,
    RESULTS,
    STAGE,
)
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.operations.manifest import STAGES


def read(tx: Transaction) -> list[Part]:
    """Everything the pipeline did in this database, in the order of the pipeline.

    What cannot be read says so in its place, and a stage in a table beside the others.
    """
    day, *decisions = looked(
        tx,
        (
            ("The day", lambda: list(_facts(tx))),
            ("Recommendations", lambda: tx.rows(RECOMMENDATIONS)),
            ("Refused by gate", lambda: tx.rows(REFUSALS)),
            ("Executions", lambda: tx.rows(EXECUTIONS)),
            ("Positions", lambda: tx.rows(POSITIONS)),
            ("Closed trades", lambda: tx.rows(RESULTS)),
        ),
    )
    return [day, *_stages(tx), *decisions]


def _facts(tx: Transaction) -> Iterator[Row]:
    """Facts about the day, one in each row."""
    facts = tx.one(DAY) or {}
    for name, value in facts.items():
        yield {"fact": name.replace("_", " "), "value": value}


def _stages(tx: Transaction) -> Iterator[Part]:
    """Each stage's runs, and what keeps some of them from being read."""
    known: list[Row] = []
    unknown: list[Row] = []
    for stage in STAGES:
        sql = {"stage": stage.name, "came_in": stage.rows_in, "went_out": stage.rows_out}
        found = alone(tx, partial(tx.rows, STAGE, **sql))
        if is_known([Part("", found)]):
            known += found
        else:
            unknown += [{"stage": stage.name, **row} for row in found]
    yield Part("Stages", known)
    if unknown:
        yield Part("Stages that cannot be read", unknown)
