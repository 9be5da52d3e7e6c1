"""What `ops up` can check before its first minute, each with what to do about it.

A trading day's first minutes are not the place to find out. What makes every run fail stops it;
what may mend itself, as a broker that does not answer, is said and counted as a failure.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from ops_local.postgres.durability import DURABLE
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import accounts, tickers
from ops_pipeline.db.operations import news_health
from ops_pipeline.db.parameters import for_guard
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import AccountMismatch, AccountNotConfigured, OpsError, SettingsInvalid
from ops_pipeline.execution.isolation import what_failed
from ops_pipeline.runtime.settings import is_real_money
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating import watching

# "finding": it works without; "failed": something does not work now; "fatal": nothing would.
Verdict = Literal["good", "finding", "failed", "fatal"]

LITTLE_DISK_BYTES = 2 * 2**30
NO_DISK_BYTES = 64 * 2**20
_DAYS_AHEAD = 14
_SHOWN = 5
_NOT_DURABLE = """
SELECT name FROM pg_settings WHERE name = ANY(CAST(:names AS text[])) AND setting <> 'on'
ORDER BY name COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class StartCheck:
    """One thing that was looked at, and what was found."""

    verdict: Verdict
    subject: str
    found: str

    def __str__(self) -> str:
        mark = {"good": "ok", "finding": "note", "failed": "FAILED", "fatal": "FAILED"}
        return f"{mark[self.verdict]:<6} {self.subject}: {self.found}"


def run_all(runtime: Runtime, folder: Path) -> Iterator[StartCheck]:
    """Check one thing after the other; none keeps the next from being checked."""
    now = runtime.clock.now()
    checks: Sequence[tuple[str, Callable[[], StartCheck]]] = (
        ("disk", lambda: disk(folder, shutil.disk_usage(folder).free)),
        ("calendar", lambda: calendar(now)),
        ("broker's address", lambda: address(runtime.settings.trading_url.host or "")),
        ("database", lambda: _database(runtime)),
        ("market data", lambda: _market_data(runtime)),
        ("news", lambda: _news(runtime)),
        ("tickers", lambda: _tickers(runtime)),
    )
    for subject, check in checks:
        yield _checked(subject, check)
    yield from _accounts(runtime)


def _checked(subject: str, check: Callable[[], StartCheck]) -> StartCheck:
    try:
        return check()
    except SettingsInvalid as error:
        return StartCheck("fatal", subject, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are checked as well
        return StartCheck("failed", subject, what_failed(error))


def disk(folder: Path, free: int) -> StartCheck:
    """Room for the database and the logs of some weeks."""
    told = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < NO_DISK_BYTES:
        return StartCheck("fatal", "disk", f"{told}: Postgres would stop; make room first")
    if free < LITTLE_DISK_BYTES:
        return StartCheck("failed", "disk", f"{told}: make room")
    return StartCheck("good", "disk", told)


def calendar(now: datetime) -> StartCheck:
    """Whether the exchange's calendar knows the next two weeks, and when it opens next."""
    known, today = NyseCalendar(), new_york_day(now)
    sessions = [known.session(today + timedelta(days=ahead)) for ahead in range(_DAYS_AHEAD)]
    nearest = next((it for it in sessions if it is not None and it.closes_at > now), None)
    if nearest is None:
        return StartCheck("failed", "calendar", f"no session within {_DAYS_AHEAD} days")
    return StartCheck(
        "good", "calendar", f"next session {nearest.day}, from {nearest.opens_at:%H:%M} UTC"
    )


def address(host: str) -> StartCheck:
    """This version trades paper money alone."""
    if is_real_money(host):
        return StartCheck(
            "fatal", "broker's address", "ALPACA_TRADING_URL is that of real money: unset it"
        )
    return StartCheck("good", "broker's address", host)


def _database(runtime: Runtime) -> StartCheck:
    """Its schema, the parameters in force, and whether it survives a power cut."""
    runtime.require_schema()
    found = for_guard(runtime.database, None)
    if found.fault is not None:
        told = f"{found.fault}: entries are refused, what is held is guarded by earlier rules"
        return StartCheck("failed", "database", told)
    with runtime.database.transaction() as tx:
        off = [row["name"] for row in tx.rows(_NOT_DURABLE, names=list(DURABLE))]
    if off:
        return StartCheck(
            "failed", "database", f"{' and '.join(off)} off: a power cut may lose orders"
        )
    return StartCheck("good", "database", f"parameters of version {found.version} are in force")


def _market_data(runtime: Runtime) -> StartCheck:
    told = f"{runtime.settings.market_data_vendor}, {runtime.data_feed}"
    runtime.market_data  # noqa: B018 - opens it, with its account's keys
    return StartCheck("good", "market data", told)


def _news(runtime: Runtime) -> StartCheck:
    """How many feeds are on; without any it trades, without news."""
    with runtime.database.transaction() as tx:
        on = len(news_health.feeds_on(tx))
    if not on:
        return StartCheck("finding", "news", "no feed is on: ops feeds add --starter")
    return StartCheck("good", "news", f"{on} feeds are on")


def _tickers(runtime: Runtime) -> StartCheck:
    """What is watched, and which of it no news can be found for."""
    with runtime.database.transaction() as tx:
        count, nameless = len(tickers.watched(tx)), watching.without_name(tx)
    if not count:
        return StartCheck("failed", "tickers", "nothing is watched: ops tickers add")
    if nameless:
        told = f"no news finds {', '.join(nameless[:_SHOWN])}, {len(nameless)} of {count} watched"
        return StartCheck("finding", "tickers", f"{told}: ops tickers add --name")
    return StartCheck("good", "tickers", f"{count} are watched, each with its name")


def _accounts(runtime: Runtime) -> Iterator[StartCheck]:
    with runtime.database.transaction() as tx:
        known = {name: accounts.load(tx, name) for name in accounts.all_names(tx)}
    yield from keys_of_nobody(runtime.variables, known)
    served = [account for account in known.values() if account.active]
    found = [_account(runtime, account) for account in served]
    yield from found
    if not any(check.verdict == "good" for check in found):
        yield StartCheck("failed", "accounts", "none can trade now")


def keys_of_nobody(
    variables: Mapping[str, str], known: Mapping[str, Account]
) -> Iterator[StartCheck]:
    """Keys whose variable names no account."""
    brokers = {account.broker for account in known.values()}
    names = ", ".join(known) or "none"
    for variable in sorted(variables):
        broker, _, rest = variable.lower().partition("_")
        account = rest.removesuffix("_key_id")
        if broker in brokers and account != rest and account not in known:
            yield StartCheck(
                "failed", variable, f"no account is named {account}; there are {names}"
            )


def _account(runtime: Runtime, account: Account) -> StartCheck:
    """Keys, binding and status, as its broker tells them now."""
    name = account.account_name
    if account.simulated:
        return StartCheck("good", name, "simulates")
    try:
        told = runtime.broker(name, account.broker).account()
    except AccountNotConfigured as error:
        return StartCheck("finding", name, f"it does not trade: {error}")
    except (AccountMismatch, SettingsInvalid) as error:
        return StartCheck("failed", name, f"it does not trade: {error}")
    except (OpsError, OSError) as error:
        return StartCheck("failed", name, what_failed(error))
    if told.trading_blocked:
        return StartCheck("failed", name, f"no orders: {told.why_blocked or told.raw_status}")
    return StartCheck("good", name, f"bound, {told.raw_status} at its broker")
