"""Which securities a line speaks of, and on what evidence.

Strong evidence is a cashtag or an exchange form; a name counts when it is written like
one and is neither a house that rates another company nor an ordinary word; a bare symbol
only beside a word of the trade. Capitals alone are never enough.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ops_pipeline.domain.news.company_names import (
    COMPANY_CONTEXT,
    COMPANY_VERBS,
    OTHER_MEANINGS,
    WORD,
    Name,
    NameBook,
)
from ops_pipeline.domain.news.word_sets import word_set

Evidence = Literal["cashtag", "exchange", "name", "symbol"]


@dataclass(frozen=True, slots=True)
class Mention:
    """A security named in a text, at text[start:end]."""

    ticker: str
    start: int
    end: int
    evidence: Evidence


_SYMBOL = r"[A-Z]{1,6}(?:[.\-/][A-Z]{1,2})?"
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,6}(?:[.\-][A-Za-z])?)(?![\w$])(?!\.X\b)")
_EXCHANGE = re.compile(
    r"\b(?:NYSE(?:[ -]?(?:American|Arca|MKT))?|N(?:asdaq|ASDAQ)(?:[ -]?(?:GS|GM|CM))?|AMEX|"
    r"ARCA|Cboe|CBOE|BATS)\s*:\s*(" + _SYMBOL + r"(?:\s*,\s*" + _SYMBOL + r")*)\b"
)
_IN_BRACKETS = re.compile(r"\((" + _SYMBOL + r")(?:\.(?:O|N|OQ))?\)")
_BARE = re.compile(r"(?<![\w$.&'\u2019-])([A-Z]{3,5}(?:\.[A-Z])?)(?![\w&'\u2019-])")
# Coins, currencies and indices that posts write like a cashtag.
_NO_SECURITY = word_set(
    "BTC ETH XRP SOL DOGE ADA LTC BNB SHIB USDT USDC DOT AVAX USD EUR GBP JPY CAD AUD CHF CNY "
    "HKD INR NZD ES NQ YM RTY CL GC SI NG ZB ZN VIX SPX NDX DJI DXY RUT COMP"
)
_BESIDE_SYMBOL = word_set("shares share stock calls puts options earnings")
_ORDINARY_CAPITALS = word_set(
    "ALL AND ANY ARE BIG CAN CEO CFO COO CTO DAY DOW ECB EPS ETF EU FAST FBI FDA FED FOR FTC GDP "
    "GOOD HAS IMF IPO IRS IT KEY LIFE LOVE LOW MAN NEW NEXT NOW NYSE ON ONE OPEC OUT PLAN PLAY "
    "PM POST REAL RUN SAFE SEC SEE SO SUN TECH THE TRUE TV TWO UK UN US USA VERY WELL WTO"
)
_RATERS_SAY = word_set(
    "upgrades downgrades initiates reiterates upgraded downgraded initiated reiterated maintains "
    "resumes analyst analysts strategist strategists economist economists rates wrote writes "
    "argued argues reckons estimates"
)
_RATERS_DO = word_set(
    "raises cuts lowers lifts boosts trims hikes starts keeps sees sets says ups slashes raised "
    "cut lowered lifted expects likes prefers adds removes names"
)
_RATERS_ARE_FOUND = word_set("at by from per")
_RATED = word_set(
    "cut raised starts started initiated upgraded downgraded reiterated rated maintained resumed "
    "lowered lifted"
)
_RATING = re.compile(
    r"\b(?:price target|target price|pt|rating|coverage|upgrad\w+|downgrad\w+|overweight|"
    r"underweight|outperform|underperform|top pick|"
    r"(?:to|at|from) (?:buy|sell|hold|neutral|reduce|add|accumulate)|"
    r"buy|neutral|equal[- ]weight)\b",
    re.IGNORECASE,
)
_NOT_ITSELF_AFTER = word_set("supplier suppliers rival rivals backed competitor alum")
_NOT_ITSELF_BEFORE = word_set("former ex like")
_NO_OTHER_MEANING: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
_CONTEXT = COMPANY_CONTEXT | COMPANY_VERBS


def find_mentions(text: str, book: NameBook) -> tuple[Mention, ...]:
    """The securities a text names, in its order; one may be named more than once."""
    strong = [*_cashtags(text, book), *_exchange_forms(text)]
    named = list(_names(_Line.of(text), book, {mention.ticker for mention in strong}))
    # Brackets without an exchange confirm what else names the security, no more.
    known = {mention.ticker for mention in (*strong, *named)}
    bracketed = [
        Mention(_canonical(found[1]), found.start(), found.end(), "exchange")
        for found in _IN_BRACKETS.finditer(text)
        if _canonical(found[1]) in known
    ]
    bare = _bare_symbols(text, book)
    return tuple(sorted((*strong, *named, *bracketed, *bare), key=lambda m: (m.start, m.end)))


def _canonical(symbol: str) -> str:
    """Share classes after a dot, however they were written: BRK-B and BRK/B are BRK.B."""
    return symbol.upper().replace("-", ".").replace("/", ".")


def _cashtags(text: str, book: NameBook) -> Iterator[Mention]:
    for found in _CASHTAG.finditer(text) if "$" in text else ():
        ticker = _canonical(found[1])
        unknown = ticker not in book.companies
        # "$b" and "$m" are amounts; one nobody knows counts only when written like a symbol.
        if ticker in _NO_SECURITY or (unknown and (len(ticker) < 2 or not found[1].isupper())):
            continue
        yield Mention(ticker, found.start(), found.end(), "cashtag")


def _exchange_forms(text: str) -> Iterator[Mention]:
    for found in _EXCHANGE.finditer(text) if ":" in text else ():
        for symbol in found[1].split(","):
            yield Mention(_canonical(symbol.strip()), found.start(), found.end(), "exchange")


@dataclass(frozen=True, slots=True)
class _Line:
    """A text as its words: where they stand, as written, and in small letters."""

    text: str
    spans: tuple[tuple[int, int], ...]
    cased: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "_Line":
        found = tuple(WORD.finditer(text))
        cased = tuple(word.group() for word in found)
        words = tuple(word.casefold() for word in cased)
        return cls(text, tuple(word.span() for word in found), cased, words)


def _names(line: _Line, book: NameBook, strong: set[str]) -> Iterator[Mention]:
    at = 0
    while at < len(line.words):
        name = _name_at(line, at, book)
        if name is None:
            at += 1
            continue
        after, ticker = at + len(name.words), name.company.ticker
        if ticker in strong or _means_the_company(name, line, at):
            yield Mention(ticker, line.spans[at][0], line.spans[after - 1][1], "name")
        at = after


def _name_at(line: _Line, at: int, book: NameBook) -> Name | None:
    for name in book.starting_with(line.words[at]):
        after = at + len(name.words)
        if line.words[at:after] == name.words and _capitals(name, line.cased[at:after]):
            return name
    return None


def _capitals(name: Name, written: Sequence[str]) -> bool:
    """Each word that the name writes with a capital has one; a name in capitals has all."""
    return all(
        own == word if own.isupper() and len(own) > 1 else word[0].isupper() or own[0].islower()
        for own, word in zip(name.cased, written, strict=True)
        if own[0].isalpha()
    )


def _means_the_company(name: Name, line: _Line, at: int) -> bool:
    """Whether the words around a name leave it the company itself."""
    after = at + len(name.words)
    before, following = line.words[max(0, at - 2) : at], line.words[after : after + 2]
    other_before, other_after = OTHER_MEANINGS.get(name.words[-1], _NO_OTHER_MEANING)
    if not (_NOT_ITSELF_BEFORE | other_before).isdisjoint(before[-1:]):
        return False
    if not (_NOT_ITSELF_AFTER | other_after).isdisjoint(following[:1]):
        return False
    if name.company.is_broker and _is_rating(before, following, line.text):
        return False
    return not name.needs_context or not _CONTEXT.isdisjoint(following[:1])


def _is_rating(before: Sequence[str], following: Sequence[str], text: str) -> bool:
    """Whether the house speaks about another: "cut at ...", "... starts Apple at buy"."""
    found_at = not _RATERS_ARE_FOUND.isdisjoint(before[-1:])
    if not _RATERS_SAY.isdisjoint(following) or (found_at and before[0] in _RATED):
        return True
    placed = found_at or not _RATERS_DO.isdisjoint(following)
    return placed and is_rating(text)


def is_rating(text: str) -> bool:
    """Whether a text speaks of a rating, a price target or coverage."""
    return _RATING.search(text) is not None


def _bare_symbols(text: str, book: NameBook) -> Iterator[Mention]:
    if text.isupper():
        return
    for found in _BARE.finditer(text):
        ticker = found[1]
        if ticker in book.companies and ticker not in _ORDINARY_CAPITALS:
            following = WORD.search(text, found.end())
            if following is not None and following.group().casefold() in _BESIDE_SYMBOL:
                yield Mention(ticker, found.start(), found.end(), "symbol")
