"""The dated table of fees: fees.txt, part of the package and read once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, get_args

from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.trading_terms import FeeKind

FeeInstrument = Literal["stock", "option"]
FeeBasis = Literal["value", "share", "contract", "equivalent"]
# How well a rate is known: read where its author published it, quoted by others, or assumed.
Evidence = Literal["published", "quoted", "assumed"]

T = TypeVar("T")

FEE_KINDS: tuple[FeeKind, ...] = get_args(FeeKind)
FILE = Path(__file__).with_name("fees.txt")
_INSTRUMENTS: tuple[FeeInstrument, ...] = get_args(FeeInstrument)
_SIDES: tuple[Side, ...] = get_args(Side)
_BASES: tuple[FeeBasis, ...] = get_args(FeeBasis)
_EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
_NOT_KNOWN = "-"
_DAY = timedelta(days=1)


class NoFeeRate(LookupError):
    """The table has no rate of that fee for that day: no cost can be said."""

    def __init__(self, kind: FeeKind, instrument: FeeInstrument, day: date) -> None:
        super().__init__(
            f"no rate of the fee {kind} on {instrument}s is known for {day.isoformat()}:"
            " domain/costs/fees.txt has none"
        )
        self.kind = kind
        self.day = day


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRate:
    """One rate and the days it is in force, both ends included.

    Attributes:
        rate: USD for one unit of the basis.
        cap: The most for one execution, USD; None without one.
        source: Where it is from, in words.
    """

    kind: FeeKind
    instrument: FeeInstrument
    side: Side
    first: date
    last: date
    basis: FeeBasis
    rate: Decimal
    cap: Decimal | None
    evidence: Evidence
    source: str


class FeeTable:
    """Rates by fee, instrument and side, each list by its days.

    A side that no row names is not charged; a day outside of the rows is an error.

    Raises:
        ValueError: the rates of a fee leave a gap or overlap.
    """

    def __init__(self, rates: Iterable[FeeRate]) -> None:
        self.rates = tuple(sorted(rates, key=lambda it: it.first))
        self._of: dict[tuple[str, str, str], list[FeeRate]] = {}
        for rate in self.rates:
            before = self._of.setdefault(_key(rate), [])
            if before and before[-1].last + _DAY != rate.first:
                raise ValueError(f"{rate.kind}: a gap or an overlap before {rate.first}")
            before.append(rate)

    def kinds_of(self, instrument: FeeInstrument, side: Side) -> tuple[FeeKind, ...]:
        """The fees that such trades are charged, whatever the day."""
        return tuple(kind for kind in FEE_KINDS if (kind, instrument, side) in self._of)

    def rates_on(self, day: date, instrument: FeeInstrument, side: Side) -> tuple[FeeRate, ...]:
        """The rate of each fee that this trade is charged, in the order of `FEE_KINDS`.

        Raises:
            NoFeeRate: a fee has no rate for that day.
        """
        return tuple(
            _in_force(self._of[kind, instrument, side], day)
            for kind in self.kinds_of(instrument, side)
        )


@cache
def fee_table() -> FeeTable:
    """The table of the package."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> FeeTable:
    """Read a table.

    Raises:
        ValueError: a row is not of the form that the header of fees.txt says, or periods of
            a fee leave a gap or overlap.
    """
    rates: list[FeeRate] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                rates += _rates(line)
            except ValueError as error:
                raise ValueError(f"fees.txt, line {number}: {error}") from None
    return FeeTable(rates)


def _rates(line: str) -> Iterable[FeeRate]:
    """The rates of one line: one for each instrument and side that it names."""
    words = line.split(maxsplit=9)
    if len(words) < 10:
        raise ValueError("ten columns are expected")
    kind, instruments, sides, first, last, basis, rate, cap, evidence, source = words
    start, end = _period(first, last)
    for instrument in instruments.split(","):
        for side in sides.split(","):
            yield FeeRate(
                kind=_one_of(FEE_KINDS, kind),
                instrument=_one_of(_INSTRUMENTS, instrument),
                side=_one_of(_SIDES, side),
                first=start,
                last=end,
                basis=_one_of(_BASES, basis),
                rate=_amount(rate),
                cap=None if cap == _NOT_KNOWN else _amount(cap),
                evidence=_one_of(_EVIDENCE, evidence),
                source=source,
            )


def _period(first: str, last: str) -> tuple[date, date]:
    start = date.fromisoformat(first)
    end = date.max if last == _NOT_KNOWN else date.fromisoformat(last)
    if end < start:
        raise ValueError("it ends before it begins")
    return start, end


def _amount(word: str) -> Decimal:
    try:
        amount = Decimal(word)
    except ArithmeticError:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{word!r} is no amount")
    return amount


def _one_of(choices: tuple[T, ...], word: str) -> T:
    for choice in choices:
        if choice == word:
            return choice
    raise ValueError(f"{word!r} is unknown")


def _key(rate: FeeRate) -> tuple[str, str, str]:
    return rate.kind, rate.instrument, rate.side


def _in_force(rates: list[FeeRate], day: date) -> FeeRate:
    for rate in rates:
        if rate.first <= day <= rate.last:
            return rate
    raise NoFeeRate(rates[0].kind, rates[0].instrument, day)
