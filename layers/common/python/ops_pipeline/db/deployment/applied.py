"""The file that describes the deployment, as it was applied last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ops_pipeline.db.driver.connection import Transaction

_LOAD = """
SELECT description, data_feed, data_account, parameter_version, applied_at, applied_by
FROM applied_deployment
"""
_SAVE = """
INSERT INTO applied_deployment AS known
    (description, data_feed, data_account, parameter_version, applied_at, applied_by)
VALUES (CAST(:description AS jsonb), :data_feed, :data_account, :parameter_version, :now, :by)
ON CONFLICT (one_row) DO UPDATE SET
    description = excluded.description, data_feed = excluded.data_feed,
    data_account = excluded.data_account, parameter_version = excluded.parameter_version,
    applied_at = excluded.applied_at, applied_by = excluded.applied_by
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedDeployment:
    """What was applied last; before the first time everything is None.

    Attributes:
        description: The file's content; None: none was applied.
        data_feed, data_account: Where no variable says otherwise; None: the default.
        parameter_version: The version that the file's parameters are; None: it names none.
    """

    description: Mapping[str, Any] | None = None
    data_feed: str | None = None
    data_account: str | None = None
    parameter_version: int | None = None
    applied_at: datetime | None = field(default=None, compare=False)
    applied_by: str | None = field(default=None, compare=False)


def load(tx: Transaction) -> AppliedDeployment:
    """The newest state of it."""
    row = tx.one(_LOAD)
    return AppliedDeployment() if row is None else AppliedDeployment(**row)


def save(tx: Transaction, applied: AppliedDeployment, *, now: datetime, by: str) -> None:
    """Keep it in the place of what was there before."""
    tx.execute(
        _SAVE,
        description=json.dumps(applied.description, sort_keys=True),
        data_feed=applied.data_feed,
        data_account=applied.data_account,
        parameter_version=applied.parameter_version,
        now=now,
        by=by,
    )
