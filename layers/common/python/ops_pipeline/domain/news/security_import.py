"""From a register's list of securities to the rows that news may be matched with.

Rows that a person entered stay as they are. A name means one security: where a company
has several, the first keeps it, and a name that two companies share means neither.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from ops_pipeline.domain.news.security_names import (
    is_broker_name,
    name_key,
    shorter_name,
    spoken_name,
)

TICKER = re.compile(r"[A-Z]{1,6}(?:\.[A-Z]{1,2})?")
Exchange = Literal["NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "OTC", "UNKNOWN"]
Kind = Literal["stock", "etf"]
EXCHANGES: tuple[Exchange, ...] = get_args(Exchange)
KINDS: tuple[Kind, ...] = get_args(Kind)
# Preferred shares, warrants, units, rights: no news means them.
_DERIVED = re.compile(r"[A-Z]+[.\-/](?:P[A-Z]?|WT?S?[A-Z]?|UN?|RT?I?|CL|WI)")
_CIK, _CIK_DIGITS = re.compile(r"[0-9]{1,10}"), 10
_ONLY_ETF = re.compile(r"\betf\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedSecurity:
    """One line of a register; `company` is the same for all securities of one company."""

    ticker: str
    title: str
    company: str
    exchange: Exchange = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Security:
    """One row of `tickers`; `name_needs_context` as the column says."""

    ticker: str
    name: str
    aliases: tuple[str, ...] = ()
    exchange: Exchange = "UNKNOWN"
    kind: Kind = "stock"
    is_broker: bool = False
    name_needs_context: bool = False
    active: bool = True
    cik: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    renamed_to: str | None = None
    names_to: date | None = None

    @property
    def is_bare(self) -> bool:
        """Whether only its symbol is known, no name."""
        return self.name == self.ticker and not self.aliases


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What to write, and why some lines are not: counts by reason.

    `ciks` are the numbers of companies by ticker, those of known securities included.
    """

    securities: tuple[Security, ...]
    skipped: dict[str, int] = field(default_factory=dict)
    ciks: dict[str, str] = field(default_factory=dict)


def canonical_ticker(symbol: str) -> str:
    """In capitals, a share class after a dot: "brk-b" and "BRK/B" are "BRK.B"."""
    return symbol.strip().upper().replace("-", ".").replace("/", ".")


def plan_import(listed: Iterable[ListedSecurity], known: Sequence[Security]) -> ImportPlan:
    """The securities that a register adds to those already known.

    Args:
        listed: In the register's order; the largest first, so that the first security of
            a company is the one that news means.
        known: All rows there are. One that is bare gets the name; any other stays.
    """
    skipped: Counter[str] = Counter()
    usable = list(_usable(listed, skipped))
    kept = {one.ticker: one for one in known if not one.is_bare}
    named = {line.company for line in usable if line.ticker in kept}
    first_words = _first_words(usable)
    taken = {name_key(text) for one in kept.values() for text in (one.name, *one.aliases)}
    shared = _shared_names(usable)
    found: list[Security] = []
    for line in usable:
        if line.ticker in kept:
            skipped["known already"] += 1
            continue
        name = spoken_name(line.title)
        key = name_key(name)
        if line.company in named or key in taken or key in shared or not key:
            found.append(_by_symbol_alone(line))
            continue
        named.add(line.company)
        taken.add(key)
        found.append(_named(line, name, first_words, taken))
    ciks = {line.ticker: cik for line in usable if (cik := cik_of(line.company)) is not None}
    return ImportPlan(tuple(found), dict(sorted(skipped.items())), ciks)


def cik_of(company: str) -> str | None:
    """SEC's number with its ten digits, None when it is none: 320193 is 0000320193."""
    return company.zfill(_CIK_DIGITS) if _CIK.fullmatch(company) else None


def _usable(listed: Iterable[ListedSecurity], skipped: Counter[str]) -> Iterable[ListedSecurity]:
    seen: set[str] = set()
    for line in listed:
        ticker = canonical_ticker(line.ticker)
        if _DERIVED.fullmatch(line.ticker.strip().upper()):
            skipped["preferred, warrant, unit or right"] += 1
        elif not TICKER.fullmatch(ticker) or not line.title.strip():
            skipped["no usable symbol or name"] += 1
        elif ticker in seen:
            skipped["listed twice"] += 1
        else:
            seen.add(ticker)
            yield ListedSecurity(ticker, line.title, line.company, line.exchange)


def _shared_names(usable: Sequence[ListedSecurity]) -> set[tuple[str, ...]]:
    """Names that securities of different companies have: they mean neither."""
    owners: dict[tuple[str, ...], set[str]] = {}
    for line in usable:
        owners.setdefault(name_key(spoken_name(line.title)), set()).add(line.company)
    return {key for key, companies in owners.items() if len(companies) > 1}


def _first_words(usable: Sequence[ListedSecurity]) -> Counter[str]:
    """In how many companies' names each first word stands first."""
    companies = {(line.company, (name_key(spoken_name(line.title)) or ("",))[0]) for line in usable}
    return Counter(word for _, word in companies)


def _by_symbol_alone(line: ListedSecurity) -> Security:
    return Security(
        ticker=line.ticker,
        name=line.ticker,
        exchange=line.exchange,
        cik=cik_of(line.company),
        kind=_kind(line),
        name_needs_context=True,
    )


def _named(
    line: ListedSecurity, name: str, first_words: Counter[str], taken: set[tuple[str, ...]]
) -> Security:
    """A row with its name, and with a shorter one that begins no other company's name."""
    short = shorter_name(name)
    aliases: tuple[str, ...] = ()
    if short and name_key(short) not in taken and first_words[name_key(short)[0]] == 1:
        aliases = (short,)
        taken.add(name_key(short))
    return Security(
        ticker=line.ticker,
        name=name,
        aliases=aliases,
        exchange=line.exchange,
        cik=cik_of(line.company),
        kind=_kind(line),
        is_broker=is_broker_name(name),
        # One word may be any word: it counts beside "shares", "Inc" or what only firms do.
        name_needs_context=True,
    )


def _kind(line: ListedSecurity) -> Kind:
    return "etf" if _ONLY_ETF.search(line.title) else "stock"
