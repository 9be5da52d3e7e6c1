"""Which securities a line speaks of, and on what evidence.

Strong evidence is a cashtag or an exchange form; a name counts when it is written like
one and is neither a broker that rates another company nor an ordinary word; a bare symbol
only beside a word of the trade. Capitals alone are never enough.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ops_pipeline.domain.news.company_names import (
    COMPANY_CONTEXT,
    COMPANY_VERBS,
    WORD,
    Name,
    NameIndex,
    other_meaning,
)
from ops_pipeline.domain.news.word_lists import word_lists

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
_SYMBOLS, _LISTS = word_lists("symbols"), word_lists("companies")
_NO_SECURITY, _ORDINARY_CAPITALS = _SYMBOLS["no security"], _SYMBOLS["ordinary capitals"]
_BESIDE_SYMBOL = frozenset({"shares", "share", "stock", "calls", "puts", "options", "earnings"})
_RATERS_SAY, _RATERS_DO, _RATED = _LISTS["raters say"], _LISTS["raters do"], _LISTS["rated"]
_RATERS_ARE_FOUND = frozenset({"at", "by", "from", "per"})
_RATING = re.compile(
    r"\b(?:price target|target price|pt|rating|coverage|upgrad\w+|downgrad\w+|overweight|"
    r"underweight|outperform|underperform|top pick|"
    r"(?:to|at|from) (?:buy|sell|hold|neutral|reduce|add|accumulate)|"
    r"buy|neutral|equal[- ]weight)\b",
    re.IGNORECASE,
)
_NOT_ITSELF_AFTER = frozenset(
    {"supplier", "suppliers", "rival", "rivals", "backed", "competitor", "alum"}
)
_NOT_ITSELF_BEFORE = frozenset({"former", "ex", "like"})
_CONTEXT = COMPANY_CONTEXT | COMPANY_VERBS


def find_mentions(text: str, index: NameIndex) -> tuple[Mention, ...]:
    """The securities a text names, in its order; one may be named more than once."""
    strong = [*_cashtags(text, index), *_exchange_forms(text)]
    named = list(_names(_Line.of(text), index, {mention.ticker for mention in strong}))
    # Brackets without an exchange only confirm a security that the text names otherwise.
    known = {mention.ticker for mention in (*strong, *named)}
    bracketed = [
        Mention(_canonical(found[1]), found.start(), found.end(), "exchange")
        for found in _IN_BRACKETS.finditer(text)
        if _canonical(found[1]) in known
    ]
    bare = _bare_symbols(text, index)
    return tuple(sorted((*strong, *named, *bracketed, *bare), key=lambda m: (m.start, m.end)))


def _canonical(symbol: str) -> str:
    """Share classes after a dot, however they were written: BRK-B and BRK/B are BRK.B."""
    return symbol.upper().replace("-", ".").replace("/", ".")


def _cashtags(text: str, index: NameIndex) -> Iterator[Mention]:
    for found in _CASHTAG.finditer(text) if "$" in text else ():
        ticker = _canonical(found[1])
        unknown = ticker not in index.companies
        # "$b" and "$m" are amounts; an unknown symbol counts only in capitals.
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


def _names(line: _Line, index: NameIndex, strong: set[str]) -> Iterator[Mention]:
    at = 0
    while at < len(line.words):
        name = _name_at(line, at, index)
        if name is None:
            at += 1
            continue
        after, ticker = at + len(name.words), name.company.ticker
        if ticker in strong or _means_the_company(name, line, at):
            yield Mention(ticker, line.spans[at][0], line.spans[after - 1][1], "name")
        at = after


def _name_at(line: _Line, at: int, index: NameIndex) -> Name | None:
    for name in index.starting_with(line.words[at]):
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
    other_before = other_meaning(name.words[-1], "before")
    other_after = other_meaning(name.words[-1], "after")
    if not (_NOT_ITSELF_BEFORE | other_before).isdisjoint(before[-1:]):
        return False
    if not (_NOT_ITSELF_AFTER | other_after).isdisjoint(following[:1]):
        return False
    if name.company.is_broker and _is_rating(before, following, line.text):
        return False
    return not name.needs_context or not _CONTEXT.isdisjoint(following[:1])


def _is_rating(before: Sequence[str], following: Sequence[str], text: str) -> bool:
    """Whether a broker is named for a rating it gave: "cut at ...", "... starts Apple at buy"."""
    found_at = not _RATERS_ARE_FOUND.isdisjoint(before[-1:])
    if not _RATERS_SAY.isdisjoint(following) or (found_at and before[0] in _RATED):
        return True
    placed = found_at or not _RATERS_DO.isdisjoint(following)
    return placed and is_rating(text)


def is_rating(text: str) -> bool:
    """Whether a text speaks of a rating, a price target or coverage."""
    return _RATING.search(text) is not None


def _bare_symbols(text: str, index: NameIndex) -> Iterator[Mention]:
    if text.isupper():
        return
    for found in _BARE.finditer(text):
        ticker = found[1]
        if ticker in index.companies and ticker not in _ORDINARY_CAPITALS:
            following = WORD.search(text, found.end())
            if following is not None and following.group().casefold() in _BESIDE_SYMBOL:
                yield Mention(ticker, found.start(), found.end(), "symbol")
