"""The account, tick and parameters of one run."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.db import accounts
from ops_pipeline.db.parameters import GuardRules, Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.orders import OwnOrderId, read_client_order_id
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.execution.decisions.intents import IntentSource
from ops_pipeline.ports import Clock, Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """One run of one account; orders go through the OrderGateway, prices come by MarketReader.

    Attributes:
        account: As it stood when the run began.
        deployment: Part of every client_order_id.
        lease_expires_at: From then on another run may take over; None for a run without one.
    """

    account: Account
    tick: datetime
    parameters: Versioned | GuardRules
    deployment: str
    clock: Clock
    journal: Journal
    lease_expires_at: datetime | None = None

    def own_order(self, client_order_id: str) -> OwnOrderId | None:
        """What an id of ours says; None for an id that this account never gives."""
        return read_client_order_id(client_order_id, deployment=self.deployment, account=self.name)

    @property
    def name(self) -> str:
        return self.account.account_name

    @property
    def rules(self) -> Parameters:
        return self.parameters.rules

    @property
    def parameter_fault(self) -> str | None:
        """Why the parameters in force are not used, for which entries are refused."""
        return self.parameters.fault if isinstance(self.parameters, GuardRules) else None

    def now(self) -> datetime:
        return self.clock.now()

    def day_start(self) -> datetime:
        """Midnight in New York before now."""
        return new_york_time(new_york_day(self.now()), 0)

    def intents(self) -> IntentSource:
        """The source of the orders decided on now."""
        return IntentSource(
            deployment=self.deployment,
            account=self.account,
            tick=self.tick,
            decided_at=self.now(),
            parameter_version=self.parameters.version,
        )


def open_context(
    account_name: str,
    *,
    tick: datetime,
    db: UnitsOfWork,
    parameters: Versioned | GuardRules,
    deployment: str,
    clock: Clock,
    journal: Journal,
    lease_expires_at: datetime | None = None,
) -> AccountContext:
    """The context of one account's run; an unknown account raises InvalidInput."""
    with db.transaction() as tx:
        account = accounts.load(tx, account_name)
    return AccountContext(
        account=account,
        tick=tick,
        parameters=parameters,
        deployment=deployment,
        clock=clock,
        journal=journal,
        lease_expires_at=lease_expires_at,
    )
