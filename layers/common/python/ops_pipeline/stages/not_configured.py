"""What a stage does for an account that has no keys: nothing, but for what needs none.

It is a finding of the healthcheck and of `ops doctor`, not a failure of each minute, as long as
nothing of the account has to be guarded.
"""

from dataclasses import dataclass
from datetime import timedelta

from ops_pipeline.db import accounts, dispatch
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.errors import AccountNotConfigured, SettingsInvalid
from ops_pipeline.execution.context import AccountContext


@dataclass(frozen=True, slots=True)
class Outcome:
    """`configured` is what the healthcheck looks for in the account's newest run."""

    configured: bool
    expired: int


def run(error: AccountNotConfigured, ctx: AccountContext, *, db: UnitsOfWork) -> Outcome:
    """Expire the recommendations that nobody can carry out.

    Raises:
        SettingsInvalid: the account holds something, which nobody guards without its keys.
    """
    now = ctx.now()
    oldest = now - timedelta(seconds=ctx.rules.gates.recommendation_age_s)
    with db.transaction() as tx:
        if accounts.holds_anything(tx, ctx.name, now):
            raise SettingsInvalid(f"{error}; it holds positions or orders that nobody guards")
        expired = dispatch.expire(tx, account=ctx.name, oldest=oldest, now=now)
    return Outcome(configured=False, expired=expired)
