"""What is watched as an operator changes it: symbols of one's own choice, and proposals.

`watch` and `watch_only` work within the caller's transaction, for whoever changes more in it;
`run` is the whole of one command. Discovery never overwrites a decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db import tickers, universe
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import operator as actions
from ops_pipeline.db.operations.operator import OperatorAction
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.legible import is_legible
from ops_pipeline.domain.news.security_import import TICKER, Security, canonical_ticker
from ops_pipeline.errors import InvalidInput
from ops_pipeline.ports import Clock

TickersChange = Literal["add", "remove", "accept", "reject"]
MOST_AT_ONCE = 2_000
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TickersCommand:
    """One command of an operator.

    Attributes:
        change: "add" and "remove" take any symbol; "accept" and "reject" decide on what
            discovery proposed, or on what is known by an import.
        name: Of "add" with one symbol: the company's, as news writes it.
    """

    change: TickersChange
    operator: str
    reason: str
    tickers: Sequence[str]
    name: str | None = None

    @property
    def watches(self) -> bool:
        return self.change in ("add", "accept")


class RequestedTickers(BaseModel):
    """A change of what is watched in an event; TickersCommand explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: TickersChange
    tickers: tuple[str, ...] = Field(min_length=1, max_length=MOST_AT_ONCE)
    name: str | None = None

    def command(self, operator: str, reason: str) -> TickersCommand:
        return TickersCommand(
            change=self.change,
            operator=operator,
            reason=reason,
            tickers=self.tickers,
            name=self.name,
        )


def run(command: TickersCommand, *, db: UnitsOfWork, clock: Clock) -> dict[str, object]:
    """Carry out the command and record it, unless it changes nothing.

    Returns:
        All `tickers` of the command, those that `changed`, and in `without_name` the watched
        ones that no news can be found for.

    Raises:
        InvalidInput: see `decide` and `choose`.
    """
    with db.transaction() as tx:
        if command.change in ("accept", "reject"):
            return decide(
                tx,
                command.tickers,
                accepted=command.watches,
                operator=command.operator,
                reason=command.reason,
                now=clock.now(),
            )
        return choose(tx, command, clock.now())


def decide(
    tx: Transaction,
    symbols: Sequence[str],
    *,
    accepted: bool,
    operator: str,
    reason: str,
    now: datetime,
) -> dict[str, object]:
    """Start or stop watching these symbols; positions in them are guarded either way.

    Raises:
        InvalidInput: no reason, an invalid symbol, one that neither an import nor discovery has
            brought, or one to watch that is inactive.
    """
    wanted = _wanted(symbols, reason)
    if unknown := sorted(set(wanted) - universe.known(tx, wanted)):
        raise InvalidInput(
            f"unknown: {', '.join(unknown)}; import them with their names first, or choose them "
            "yourself with ops tickers add"
        )
    before = universe.statuses(tx, wanted)
    changed = set(watch(tx, wanted, watched=accepted))
    status = universe.decision(accepted=accepted)
    changed |= {symbol for symbol in wanted if before.get(symbol) != status}
    universe.decide(tx, sorted(changed), now, accepted=accepted)
    return _recorded(
        tx, wanted, changed, watched=accepted, operator=operator, reason=reason, now=now
    )


def choose(tx: Transaction, command: TickersCommand, now: datetime) -> dict[str, object]:
    """Watch symbols of one's own choice, known or not, or stop watching some.

    Raises:
        InvalidInput: no reason, an invalid symbol, an inactive one to watch, an unknown one to
            stop watching; a name for several, or for one that has another.
    """
    wanted = _wanted(command.tickers, command.reason)
    if not command.watches:
        known = tickers.standings(tx, wanted)
        if unknown := sorted(set(wanted) - set(known)):
            raise InvalidInput(f"unknown: {', '.join(unknown)}; ops tickers list shows all")
    named = command.name is not None and _name(tx, wanted, command.name)
    changed = set(watch(tx, wanted, watched=command.watches))
    return _recorded(
        tx,
        wanted,
        changed | set(wanted if named else ()),
        watched=command.watches,
        operator=command.operator,
        reason=command.reason,
        now=now,
    )


def watch(tx: Transaction, symbols: Sequence[str], *, watched: bool) -> list[str]:
    """Start or stop watching these, and return those that changed, sorted.

    A symbol that nobody has imported is watched under its symbol alone: no news finds it.

    Raises:
        InvalidInput: one to watch is invalid or inactive.
    """
    wanted = _wanted(symbols, "watched")
    inactive = [
        symbol for symbol, is_one in tickers.standings(tx, wanted).items() if not is_one.active
    ]
    if watched and inactive:
        raise InvalidInput(f"not active in tickers: {', '.join(sorted(inactive))}")
    return tickers.set_watched(tx, wanted, watched=watched)


def watch_only(tx: Transaction, symbols: Sequence[str]) -> list[str]:
    """Watch these symbols and no others; return those that changed, sorted.

    Raises:
        InvalidInput: one of them is invalid or inactive.
    """
    wanted = set(_wanted(symbols, "watched")) if symbols else set()
    others = [symbol for symbol in tickers.watched(tx) if symbol not in wanted]
    stopped = watch(tx, others, watched=False) if others else []
    started = watch(tx, sorted(wanted), watched=True) if wanted else []
    return sorted([*stopped, *started])


def plan_watched_only(tx: Transaction, symbols: Sequence[str]) -> Mapping[str, bool]:
    """What `watch_only` would change: by symbol, whether it would be watched."""
    wanted = set(_wanted(symbols, "watched")) if symbols else set()
    now = set(tickers.watched(tx))
    return {symbol: symbol in wanted for symbol in sorted(wanted ^ now)}


def without_name(tx: Transaction, symbols: Sequence[str] | None = None) -> list[str]:
    """The watched symbols, of these or of all, that no name is known of: no news finds them."""
    asked = tickers.watched(tx) if symbols is None else symbols
    known = tickers.standings(tx, asked)
    return sorted(symbol for symbol, it in known.items() if it.is_watched and it.is_bare)


def _wanted(symbols: Sequence[str], reason: str) -> list[str]:
    if not reason.strip():
        raise InvalidInput("reason: say why, it is kept with the action")
    wanted = sorted({canonical_ticker(symbol) for symbol in symbols})
    for symbol in wanted:
        if not TICKER.fullmatch(symbol):
            raise InvalidInput(f"{symbol!r} is no symbol")
    return wanted


def _name(tx: Transaction, wanted: Sequence[str], name: str) -> bool:
    """Give a symbol its name; False if it has that already."""
    name = " ".join(name.split())
    if len(wanted) != 1:
        raise InvalidInput("name: give one symbol beside it")
    if not name or len(name) > _LONGEST_NAME or not is_legible(name) or name == wanted[0]:
        raise InvalidInput("name: the company's, as news writes it")
    known = tickers.standings(tx, wanted).get(wanted[0])
    if known is not None and known.name == name:
        return False
    if known is not None and not known.is_bare:
        raise InvalidInput(
            f"name: {wanted[0]} is {known.name}; ops tickers import FILE.csv gives it another"
        )
    tickers.write(tx, [Security(wanted[0], name)])
    return True


def _recorded(
    tx: Transaction,
    wanted: Sequence[str],
    changed: set[str],
    *,
    watched: bool,
    operator: str,
    reason: str,
    now: datetime,
) -> dict[str, object]:
    action: OperatorAction = "watch" if watched else "unwatch"
    if changed:
        actions.record(
            tx,
            operator=operator,
            action=action,
            scope=EVERYTHING,
            reason=reason,
            details={"tickers": sorted(changed)},
            now=now,
        )
    return {
        "action": action,
        "tickers": list(wanted),
        "changed": sorted(changed),
        "without_name": without_name(tx, wanted),
    }
