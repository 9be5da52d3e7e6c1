"""`ops check --order`: one order that cannot fill, placed, looked at and cancelled.

What it is going to send is recorded and committed before the broker hears of it, and how it ended
after; so whoever runs it again after a kill finds what was left, and cancels that first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar

from ops_pipeline.db import accounts, orders
from ops_pipeline.db.operations import operator
from ops_pipeline.db.operations.operator import UnfinishedCheck
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.domain.deployment import check_orders
from ops_pipeline.domain.deployment.ladder import rung_of, why_not_offered
from ops_pipeline.domain.deployment.transcript import HttpExchange, redacted
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.prices.plausibility import JudgedQuote
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    InvalidInput,
    MarketDataUnavailable,
    OpsError,
)
from ops_pipeline.execution.isolation import what_failed
from ops_pipeline.execution.price_check import judge_quotes
from ops_pipeline.ports import Broker, Calendar, Clock, Heard, MarketData

# A broker may list an order late, and takes a moment to cancel one.
LOOKS, PAUSE_S = 6, 1.0
# An order that two looks this far apart do not find was never placed.
_BELIEVED_AFTER = timedelta(seconds=60)
# A day order ends with its day; a weekend with a holiday lies between.
_REMEMBERED = timedelta(days=5)

OpenRecorded = Callable[[str, str, Heard], tuple[Broker, Sequence[str]]]
T = TypeVar("T")
State = Literal["good", "bad"]
Ending = Literal["can be sent", "passed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCheckCommand:
    """Where to place the order.

    Attributes:
        confirm: False only says what would be done.
    """

    operator: str
    reason: str
    account: str
    ticker: str
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class OrderCheckStep:
    """One thing that was tried with the order, and what was seen."""

    step: str
    state: State
    found: str


@dataclass(slots=True, kw_only=True)
class OrderCheckReport:
    """What was done and seen.

    Attributes:
        leftovers: Orders of earlier checks that may still rest; ended first once it is confirmed.
        left: Orders that may still rest at the broker after this one: somebody has to look.
        transcript: Each request and answer, redacted.
    """

    account: str
    ticker: str
    client_order_id: str
    limit: str
    address: str
    state: Ending = "can be sent"
    steps: list[OrderCheckStep] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    transcript: list[dict[str, Any]] = field(default_factory=list)

    def note(self, step: str, wrong: str | None, found: str) -> bool:
        """Keep a step; returns whether it was good."""
        self.steps.append(
            OrderCheckStep(step, "good", found) if not wrong else OrderCheckStep(step, "bad", wrong)
        )
        return not wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCheck:
    """What the check takes.

    Attributes:
        open_broker: The account at its broker, proven against its binding; tells each exchange.
            Beside it the texts that may stand in no transcript.
        address: Where the broker is reached; kept beside the transcript.
        wait: Sleeps so many seconds.
    """

    db: UnitsOfWork
    open_broker: OpenRecorded
    market_data: Callable[[], MarketData]
    calendar: Calendar
    clock: Clock
    rules: Callable[[], Parameters]
    deployment: str
    address: str
    wait: Callable[[float], None]

    def run(self, command: OrderCheckCommand) -> dict[str, Any]:
        """Say what would be done; once it is confirmed do it, and say what became of it.

        Raises:
            InvalidInput: it is refused, with the reason; nothing was sent.
            OpsError: broker or market data could not be read before anything was sent.
        """
        account = self._permitted(command)
        heard: list[HttpExchange] = []
        broker, private = self.open_broker(account.account_name, account.broker, heard.append)
        leftovers = list(self._leftovers(account, broker))
        known = [it.client_order_id for it in leftovers]
        self._require_free(account, broker, command.ticker, known)
        limit = self._limit(command.ticker)
        report = OrderCheckReport(
            account=account.account_name,
            ticker=command.ticker,
            client_order_id=check_orders.check_order_id(
                deployment=self.deployment,
                account=account.account_name,
                symbol=command.ticker,
                at=self.clock.now(),
            ),
            limit=f"{limit:f}",
            address=self.address,
            leftovers=known,
        )
        if command.confirm:
            heard.clear()
            self._do(command, broker, report, leftovers)
            report.transcript = redacted(heard, private)
        return asdict(report)

    def _do(
        self,
        command: OrderCheckCommand,
        broker: Broker,
        report: OrderCheckReport,
        leftovers: list[UnfinishedCheck],
    ) -> None:
        ended = [self._end_leftover(command, broker, report, it) for it in leftovers]
        if not all(ended):
            report.state = "failed"
            return
        request = check_orders.check_order(
            report.client_order_id, report.ticker, Decimal(report.limit)
        )
        self._record(command, "check_order", report.client_order_id, {"limit": report.limit})
        sent = _sent(broker, request, report)
        if sent != "refused":
            self._look(broker, request, report, sent)
            self._cancel(command, broker, report, report.client_order_id)
        else:
            self._finish(command, report, report.client_order_id, "refused by the broker")
        good = all(step.state == "good" for step in report.steps)
        report.state = "passed" if good and not report.left else "failed"

    def _permitted(self, command: OrderCheckCommand) -> Account:
        """The account, if an order may be tried there at all."""
        with self.db.transaction() as tx:
            account = accounts.load(tx, command.account)
            live = orders.live(tx, account.account_name)
        name = account.account_name
        if why := why_not_offered(account.execution_mode):
            raise InvalidInput(f"{name}: {why}")
        if rung_of(account.execution_mode) != "paper":
            raise InvalidInput(f"{name} only simulates, at no broker: there is nothing to try")
        for who, halt in account.halts(new_york_day(self.clock.now())).items():
            raise InvalidInput(f"{name}: no order while entries are halted by {who}: {halt}")
        if live:
            raise InvalidInput(f"{name} has live orders ({live[0].client_order_id}): try it later")
        return account

    def _leftovers(self, account: Account, broker: Broker) -> Iterator[UnfinishedCheck]:
        """Check orders that may still rest: by our records, and by the broker's list."""
        name = account.account_name
        since = self.clock.now() - _REMEMBERED
        with self.db.transaction() as tx:
            recorded = operator.unfinished_checks(tx, name, since=since)
        yield from recorded
        known = {it.client_order_id for it in recorded}
        for order in broker.resting_orders():
            if order.client_order_id not in known and self._is_ours(order.client_order_id, name):
                yield UnfinishedCheck(order.client_order_id, order.submitted_at)

    def _is_ours(self, client_order_id: str, account: str) -> bool:
        return check_orders.is_check_order_id(
            client_order_id, deployment=self.deployment, account=account
        )

    def _require_free(
        self, account: Account, broker: Broker, ticker: str, leftovers: Sequence[str]
    ) -> None:
        """Refuse where the account is busy, blocked, or holds the symbol: a stop may rest in it."""
        told, name = broker.account(), account.account_name
        if told.trading_blocked:
            raise InvalidInput(f"{name}: no orders: {told.why_blocked or told.raw_status}")
        resting = broker.resting_orders()
        others = [it for it in resting if it.client_order_id not in leftovers]
        if others or resting.illegible:
            first = others[0].client_order_id if others else resting.illegible[0].name
            raise InvalidInput(f"{name} has live orders at its broker ({first}): try it later")
        held = broker.positions()
        if any(it.symbol == ticker for it in held) or held.illegible:
            raise InvalidInput(f"{name} holds {ticker}: name another symbol")
        if not broker.is_tradable(ticker):
            raise InvalidInput(f"{ticker} is not traded at {account.broker}: name another symbol")

    def _limit(self, ticker: str) -> Decimal:
        judged = self._judged(ticker)
        if judged.doubt is not None:
            raise InvalidInput(f"the price of {ticker} is not plausible: {judged.doubt.reason}")
        if judged.anchor is None:
            raise InvalidInput(f"nothing but one quote is known of {ticker}: name another symbol")
        return check_orders.far_below(min(judged.quote.bid, judged.anchor))

    def _judged(self, ticker: str) -> JudgedQuote:
        now = self.clock.now()
        session = self.calendar.session(new_york_day(now))
        if session is None or not session.is_open(now):
            raise InvalidInput("the exchange is closed: try it in a session, 09:35 to 15:55")
        quotes, rules = self.market_data().quotes([ticker]), self.rules()
        with self.db.transaction() as tx:
            judged = judge_quotes(tx, quotes, now=now, session=session, rules=rules)
        if ticker not in judged:
            raise MarketDataUnavailable(f"nobody quotes {ticker} now")
        return judged[ticker]

    def _look(
        self,
        broker: Broker,
        request: OrderRequest,
        report: OrderCheckReport,
        sent: Literal["taken", "no answer"],
    ) -> None:
        """Whether the broker shows the order as it was sent, alone and in its list."""
        found = self._seen(broker, request.client_order_id)
        if found is None:
            why = "not found" if sent == "taken" else "no answer, and not found either"
            report.note("look", f"by its id: {why}", "")
            return
        wrong = check_orders.other_than_sent(request, found)
        if found.status != "working":
            wrong.append(f"status {found.raw_status}")
        report.note("look", "; ".join(wrong) or None, f"by its id: {found.raw_status}")
        listed, error = self._listed(broker, request.client_order_id, wanted=True)
        told = error or (None if listed else "not among the orders that may still fill")
        report.note("list", told, "among the orders that may still fill")

    def _cancel(
        self,
        command: OrderCheckCommand,
        broker: Broker,
        report: OrderCheckReport,
        client_order_id: str,
    ) -> bool:
        """Cancel it and look until it has ended; returns whether it surely has.

        Whatever goes wrong is in the report: after an order was sent nothing is raised.
        """
        ended: BrokerOrder | None = None
        said = ""
        for _ in range(LOOKS):
            found = _anyhow(partial(_asked_to_cancel, broker, client_order_id))
            if isinstance(found, BrokerOrder) and found.status not in ("working", "unknown"):
                ended = found
                break
            said = _seen_as(found)
            self.wait(PAUSE_S)
        if ended is None:
            report.left.append(client_order_id)
            return report.note("cancel", f"not confirmed: {said}", "")
        filled = f"{ended.filled_quantity} filled" if ended.filled_quantity else None
        wrong = filled or (None if ended.status == "canceled" else f"it is {ended.raw_status}")
        report.note("cancel", wrong, ended.raw_status)
        listed, error = self._listed(broker, client_order_id, wanted=False)
        gone = error or ("it is still among the orders that may fill" if listed else None)
        report.note("list after", gone, "not among the orders that may still fill")
        self._finish(command, report, client_order_id, ended.raw_status)
        return True

    def _end_leftover(
        self,
        command: OrderCheckCommand,
        broker: Broker,
        report: OrderCheckReport,
        leftover: UnfinishedCheck,
    ) -> bool:
        """Cancel what an earlier check left; one that was never placed is only recorded so."""
        name = leftover.client_order_id
        report.note("leftover", None, f"of an earlier check: {name}")
        found = _anyhow(lambda: broker.order_by_client_id(name))
        if isinstance(found, Exception):
            report.left.append(name)
            return report.note("leftover", f"{name}: {what_failed(found)}", "")
        if found is not None:
            return self._cancel(command, broker, report, name)
        if self.clock.now() - leftover.at < _BELIEVED_AFTER:
            report.left.append(name)
            return report.note(
                "leftover", f"{name} is not there yet, or was never placed: a minute more", ""
            )
        self._finish(command, report, name, "not placed")
        return True

    def _seen(self, broker: Broker, name: str) -> BrokerOrder | None:
        """The order by its id, looked for until it is there or the looks are used up."""
        for look in range(LOOKS):
            if look:
                self.wait(PAUSE_S)
            found = _anyhow(lambda: broker.order_by_client_id(name))
            if isinstance(found, BrokerOrder):
                return found
        return None

    def _listed(self, broker: Broker, name: str, *, wanted: bool) -> tuple[bool, str | None]:
        """Whether the broker lists it as resting, and the error of the last look."""
        listed, said = not wanted, None
        for look in range(LOOKS):
            if look:
                self.wait(PAUSE_S)
            found = _anyhow(broker.resting_orders)
            if isinstance(found, Exception):
                said = what_failed(found)
                continue
            listed, said = any(it.client_order_id == name for it in found), None
            if listed == wanted:
                break
        return listed, said

    def _finish(
        self, command: OrderCheckCommand, report: OrderCheckReport, name: str, how: str
    ) -> None:
        """Record the end; where that fails the next check looks at the order once more."""
        recorded = _anyhow(lambda: self._record(command, "check_order_ended", name, {"ended": how}))
        if isinstance(recorded, Exception):
            why = what_failed(recorded)
            report.note("record", f"the end of {name} is not recorded: {why}", "")

    def _record(
        self,
        command: OrderCheckCommand,
        action: Literal["check_order", "check_order_ended"],
        client_order_id: str,
        details: dict[str, str],
    ) -> None:
        with self.db.transaction() as tx:
            operator.record(
                tx,
                operator=command.operator,
                action=action,
                scope=command.account,
                reason=f"{command.reason} ({client_order_id})",
                details={"client_order_id": client_order_id, **details},
                now=self.clock.now(),
            )


def _anyhow(work: Callable[[], T]) -> T | Exception:
    """What the work returns or raises: a resting order must be cancelled whatever happens."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - see above; it is said in the report
        return error


def _asked_to_cancel(broker: Broker, client_order_id: str) -> BrokerOrder | None:
    """The order as it is now; while it may fill its cancel is asked for."""
    found = broker.order_by_client_id(client_order_id)
    if found is not None and found.status in ("working", "unknown"):
        broker.cancel(found.broker_order_id)
    return found


def _seen_as(found: BrokerOrder | Exception | None) -> str:
    if isinstance(found, Exception):
        return what_failed(found)
    return "it was not found" if found is None else f"it is {found.raw_status}"


def _sent(
    broker: Broker, request: OrderRequest, report: OrderCheckReport
) -> Literal["taken", "refused", "no answer"]:
    """Send it once; after "no answer" it may be there."""
    what = f"buy 1 {request.symbol} at {request.price:f}, for the day"
    try:
        placed = broker.submit(request)
    except BrokerOutcomeUnknown as error:
        report.note("send", str(error), "")
        return "no answer"
    except OpsError as error:  # by the port's contract nothing has left then
        report.note("send", str(error), "")
        return "refused"
    report.note("send", None, f"{what}: {placed.raw_status}")
    return "taken"
