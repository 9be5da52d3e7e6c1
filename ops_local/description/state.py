"""What a database says of everything that ops.toml describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops_pipeline.db import feeds, parameters, tickers
from ops_pipeline.db.deployment import account_rows, applied
from ops_pipeline.db.deployment.applied import AppliedDeployment
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.deployment.account_limits import LimitValue
from ops_pipeline.domain.deployment.modes import mode_shown
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import SettingsInvalid

_ACCOUNTS = """
SELECT account_name AS name, broker, execution_mode AS mode, active FROM accounts
ORDER BY account_name COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account as it stands."""

    name: str
    broker: str
    mode: str
    on: bool
    limits: Mapping[str, LimitValue]


@dataclass(frozen=True, slots=True)
class ParameterState:
    """The parameters in force.

    Attributes:
        version: None: there is none yet, and the defaults will be the first.
        changed: What differs from the defaults, by section and name.
        fault: Why they cannot be used; None: they can.
    """

    version: int | None
    source: str
    changed: Mapping[str, Mapping[str, Any]]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """Everything that a file describes."""

    accounts: tuple[AccountState, ...]
    contact: str | None
    feeds: tuple[FeedSpec, ...]
    tickers: tuple[str, ...]
    parameters: ParameterState
    applied: AppliedDeployment


def read_state(tx: Transaction) -> DeploymentState:
    """How a database stands, here or in a stack."""
    return DeploymentState(
        accounts=tuple(_account(tx, row) for row in tx.rows(_ACCOUNTS)),
        contact=feeds.contact(tx),
        feeds=tuple(it.spec for it in feeds.stored(tx).values() if not it.removed),
        tickers=tuple(tickers.watched(tx)),
        parameters=_parameters(tx),
        applied=applied.load(tx),
    )


def _account(tx: Transaction, row: Row) -> AccountState:
    return AccountState(
        name=row["name"],
        broker=row["broker"],
        mode=mode_shown(row["mode"]),
        on=row["active"],
        limits=account_rows.limits_of(tx, row["name"]),
    )


def _parameters(tx: Transaction) -> ParameterState:
    found = parameters.source_in_force(tx)
    if found is None:
        return ParameterState(None, "", {})
    version, source = found
    try:
        rules = parameters.load_active(tx).rules
    except SettingsInvalid as error:
        return ParameterState(version, source, {}, str(error))
    return ParameterState(version, source, parameters.changes(Parameters(), rules))
