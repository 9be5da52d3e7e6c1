"""What `ops check` asks brokers and vendors, one subject a call. It only reads.

Each runs with the connections and keys of the function that it runs in, so that in a deployed
stack its network is tried as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from ops_pipeline.db import accounts
from ops_pipeline.db.parameters import GuardRules
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.deployment.check_orders import is_check_order_id
from ops_pipeline.domain.deployment.findings import (
    DAYS_COMPARED,
    CheckResult,
    calendar_differences,
    clock_skew,
    data_plan,
    vix_age,
)
from ops_pipeline.domain.deployment.ladder import rung_of, why_not_offered
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import AccountNotConfigured, InvalidInput, MarketDataUnavailable, OpsError
from ops_pipeline.execution.isolation import in_words
from ops_pipeline.ports import (
    Broker,
    Calendar,
    Clock,
    MarketData,
    MarketHours,
    VixReading,
    VolatilityIndex,
)

Subject = Literal["account", "calendar", "clock", "database", "market data", "vix"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# Quoted on every venue, every second of a session.
QUOTED = "SPY"
_OPTION_ENTRIES = frozenset(("BUY_CALL", "BUY_PUT"))
# Level 2 buys calls and puts.
_LEVEL_TO_BUY = 2
FEEDS: tuple[Literal["iex", "sip"], ...] = ("iex", "sip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What the checks read with; each is made only by the check that asks for it.

    Attributes:
        market_data: A vendor's adapter for one feed.
        data_feed: The feed that the pipeline reads.
        vix: Who may have the volatility index, in the order in which they are asked.
    """

    db: UnitsOfWork
    rules: Callable[[], GuardRules]
    open_broker: Callable[[str, str], Broker]
    market_data: Callable[[Literal["iex", "sip"]], MarketData]
    data_feed: Callable[[], str]
    vix: Sequence[Callable[[], VolatilityIndex]]
    calendar: Calendar
    clock: Clock
    deployment: str

    def run(self, subject: Subject, account: str | None) -> dict[str, Any]:
        """Try one thing and return `{"checks": [...]}`, each as CheckResult.

        Raises:
            InvalidInput: no such account, or none is named where one has to be.
            OpsError: what stood in the way, in words; the caller counts it as bad.
        """
        return {"checks": [asdict(found) for found in self._found(subject, account)]}

    def _found(self, subject: Subject, account: str | None) -> Sequence[CheckResult]:
        match subject:
            case "account":
                return self._account(account)
            case "calendar":
                return [self._calendar()]
            case "clock":
                return [self._clock()]
            case "database":
                return [self._database()]
            case "market data":
                return self._market_data()
            case "vix":
                return self._vix()

    def _account(self, name: str | None) -> Sequence[CheckResult]:
        """Keys and binding, what blocks orders, options, and what a check left there."""
        if name is None:
            raise InvalidInput("account: say which")
        with self.db.transaction() as tx:
            account = accounts.load(tx, name)
        if why := why_not_offered(account.execution_mode):
            return [CheckResult("bad", name, why, "choose paper or simulated")]
        if rung_of(account.execution_mode) == "shadow":
            return [CheckResult("good", name, "shadow: it decides and sends nothing")]
        try:
            broker = self.open_broker(name, account.broker)
            told = broker.account()
        except AccountNotConfigured as error:
            verdict: Literal["bad", "note"] = "bad" if account.active else "note"
            return [CheckResult(verdict, f"{name} keys", "none", str(error))]
        except OpsError as error:
            return [CheckResult("bad", f"{name} keys", str(error), _mend(error, name))]
        return [
            CheckResult("good", f"{name} keys", f"they open the bound account at {account.broker}"),
            self._status(account, told),
            _options(account, told),
            *self._leftovers(account, broker),
        ]

    def _status(self, account: Account, told: BrokerAccount) -> CheckResult:
        """Everything that keeps the account from entering, at the broker and here."""
        name = account.account_name
        subject, halts = f"{name} status", account.halts(new_york_day(self.clock.now()))
        if told.trading_blocked:
            return CheckResult(
                "bad", subject, f"no orders: {told.raw_status}", told.why_blocked or ""
            )
        if told.buying_power <= 0:
            return CheckResult("bad", subject, "no buying power", "look at the broker's page")
        if halts:
            why = "; ".join(f"{who}: {reason}" for who, reason in halts.items())
            return CheckResult(
                "bad", subject, f"entries are halted by {why}", f"`ops resume --account {name}`"
            )
        if not account.active:
            return CheckResult(
                "note", subject, "switched off: no entries", f"`ops accounts switch {name} on`"
            )
        return CheckResult("good", subject, f"{told.raw_status}, nothing blocks entries")

    def _leftovers(self, account: Account, broker: Broker) -> list[CheckResult]:
        name = account.account_name
        left = [
            order.client_order_id
            for order in broker.resting_orders()
            if is_check_order_id(
                order.client_order_id, deployment=self.deployment, account=account.account_name
            )
        ]
        todo = f"`ops check --order {name}` cancels it"
        return [CheckResult("bad", f"{name} order", f"{it} still rests", todo) for it in left]

    def _clock(self) -> CheckResult:
        hours = self._market_hours()
        before = self.clock.now()
        theirs = hours.market_time()
        return clock_skew(theirs, before, self.clock.now())

    def _calendar(self) -> CheckResult:
        first = new_york_day(self.clock.now())
        days = [first + timedelta(days=ahead) for ahead in range(DAYS_COMPARED)]
        told = self._market_hours().market_days(days[0], days[-1])
        if told.illegible:
            return CheckResult("bad", "calendar", f"not legible: {told.illegible[0]}")
        return calendar_differences({day: self.calendar.session(day) for day in days}, told)

    def _market_hours(self) -> MarketHours:
        """The first account whose keys open a broker that tells the time.

        Raises:
            InvalidInput: there is none.
        """
        with self.db.transaction() as tx:
            known = [accounts.load(tx, name) for name in accounts.all_names(tx)]
        said = []
        for account in (it for it in known if rung_of(it.execution_mode) == "paper"):
            try:
                broker = self.open_broker(account.account_name, account.broker)
                broker.account()
            except AccountNotConfigured:
                said.append(f"{account.account_name} has no keys")
                continue
            except Exception as error:  # noqa: BLE001 - the next account may answer
                said.append(f"{account.account_name}: {in_words(error)}")
                continue
            if isinstance(broker, MarketHours):
                return broker
        raise InvalidInput(
            f"no account's broker can be asked: {'; '.join(said) or 'none is there'}"
        )

    def _database(self) -> CheckResult:
        """The parameters in force; a schema that is behind is refused before anything is asked."""
        rules = self.rules()
        if rules.fault is not None:
            todo = "entries are refused until other parameters are in force"
            return CheckResult("bad", "database", rules.fault, todo)
        return CheckResult("good", "database", f"parameters of version {rules.version} in force")

    def _market_data(self) -> list[CheckResult]:
        refusals: Mapping[str, str | None] = {feed: self._refusal(feed) for feed in FEEDS}
        return data_plan(self.data_feed(), refusals)

    def _refusal(self, feed: Literal["iex", "sip"]) -> str | None:
        """Why the vendor gives no quote of that feed; None where it gives one."""
        try:
            self.market_data(feed).quotes([QUOTED])
        except MarketDataUnavailable as error:
            return str(error)
        return None

    def _vix(self) -> Sequence[CheckResult]:
        """Which source has the last session's close, and why those before it have not."""
        last = self.calendar.previous_session(new_york_day(self.clock.now()))
        known: list[VixReading] = []
        notes = []
        for opened in self.vix:
            try:
                index = opened()
                readings = index.readings(last)
            except Exception as error:  # noqa: BLE001 - the next source may answer
                notes.append(CheckResult("note", "vix", in_words(error)))
                continue
            known += readings
            if any(it.day == last.day for it in readings):
                close = next(it.close for it in readings if it.day == last.day)
                return [*notes, vix_age(last.day, last.day, close, index.source)]
        newest = max(known, key=lambda it: it.day, default=None)
        if newest is None:
            return [*notes, vix_age(None, last.day, None)]
        return [*notes, vix_age(newest.day, last.day, newest.close)]


def _options(account: Account, told: BrokerAccount) -> CheckResult:
    level = told.options_trading_level
    wanted = not _OPTION_ENTRIES.isdisjoint(account.allowed_actions)
    found = f"level {level}" + ("" if wanted else ", and options are not traded")
    subject = f"{account.account_name} options"
    if wanted and level < _LEVEL_TO_BUY:
        return CheckResult("bad", subject, found, "apply for level 2 at the broker")
    return CheckResult("good", subject, found)


def _mend(error: OpsError, name: str) -> str:
    if type(error).__name__ == "AccountMismatch":
        return f"`ops accounts bind --account {name}` compares and binds"
    return "look at the keys and at the broker's status page"
