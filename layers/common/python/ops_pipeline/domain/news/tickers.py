"""Which securities a line speaks of, and on what evidence.

Strong evidence is a cashtag, an exchange form or a CIK number; a name counts when it is
written like one and is neither a broker that rates another company, nor another company
whose name begins alike, nor an ordinary word; a bare symbol only beside a word of the
trade. Capitals alone are never enough.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops_pipeline.domain.news.company_names import (
    COMPANY_CONTEXT,
    COMPANY_VERBS,
    WORD,
    Name,
    NameIndex,
    other_meaning,
)
from ops_pipeline.domain.news.symbols import (
    Mention,
    bare_mentions,
    bracketed_mentions,
    strong_mentions,
)
from ops_pipeline.domain.news.word_lists import word_lists

_LISTS = word_lists("companies")
_RATERS_SAY, _RATERS_DO, _RATED = _LISTS["raters say"], _LISTS["raters do"], _LISTS["rated"]
_RATERS_WORDS, _IS_RATED = _LISTS["raters' words"], _LISTS["objects of a rating"]
_ANOTHER_COMPANY = _LISTS["another company"]
_RATERS_ARE_FOUND = frozenset({"at", "by", "from", "per"})
_BEHIND_RATED = frozenset({"to", "at", "by", "from"})
_BEFORE_A_SOURCE = frozenset({":", "-", "\u2013", "\u2014"})
_MONEY = frozenset({" $", " €", " £"})
_RATING = re.compile(
    r"\b(?:price target|target price|target|pt|rating|coverage|upgrad\w+|downgrad\w+|overweight|"
    r"underweight|outperform|underperform|top pick|"
    r"(?:to|at|from) (?:buy|sell|hold|neutral|reduce|add|accumulate)|"
    r"buy|neutral|equal[- ]weight)\b",
    re.IGNORECASE,
)
_NOT_ITSELF_AFTER = frozenset(
    {"supplier", "suppliers", "rival", "rivals", "backed", "competitor", "alum"}
)
_NOT_ITSELF_BEFORE = frozenset({"former", "ex", "like"})
# "iPhone maker Foxconn": by what it makes, a company is named only when no name follows.
_BY_ITS_PRODUCT = frozenset({"maker", "owner", "parent", "operator"})
_CONTEXT = COMPANY_CONTEXT | COMPANY_VERBS
# How far behind a name a symbol in brackets still belongs to it, in words.
_SYMBOL_REACH = 5


def find_mentions(text: str, index: NameIndex) -> tuple[Mention, ...]:
    """The securities a text names, in its order; one may be named more than once."""
    strong = strong_mentions(text, index)
    named = list(_names(_Line.of(text), index, strong))
    bracketed = bracketed_mentions(text, {mention.ticker for mention in (*strong, *named)})
    bare = bare_mentions(text, index)
    return tuple(sorted((*strong, *named, *bracketed, *bare), key=lambda m: (m.start, m.end)))


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


def _names(line: _Line, index: NameIndex, strong: Sequence[Mention]) -> Iterator[Mention]:
    certain = {mention.ticker for mention in strong}
    at = 0
    while at < len(line.words):
        name = _name_at(line, at, index)
        if name is None:
            at += 1
            continue
        after, ticker = at + len(name.words), name.company.ticker
        another = _has_a_symbol_of_its_own(line, after, ticker, strong)
        if not another and (ticker in certain or _means_the_company(name, line, at)):
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


def _has_a_symbol_of_its_own(
    line: _Line, after: int, ticker: str, strong: Sequence[Mention]
) -> bool:
    """Whether the name only begins another company's: "Apple Hospitality REIT (NYSE: APLE)"."""
    if after == len(line.words):
        return False
    for mention in strong:
        if mention.evidence != "exchange" or mention.start < line.spans[after - 1][1]:
            continue
        between = [
            place
            for place in range(after, len(line.words))
            if line.spans[place][1] <= mention.start
        ]
        if len(between) <= _SYMBOL_REACH and all(line.cased[p][0].isupper() for p in between):
            # Several symbols may stand in one pair of brackets: GOOGL, GOOG.
            here = {one.ticker for one in strong if one.start == mention.start}
            return ticker not in here
        return False
    return False


def _means_the_company(name: Name, line: _Line, at: int) -> bool:
    """Whether the words around a name leave it the company itself."""
    after = at + len(name.words)
    if _is_something_else(name, line, at) or _begins_another_name(name, line, after):
        return False
    if name.company.is_broker and _is_rating(name, line, at):
        return False
    return not name.needs_context or not _CONTEXT.isdisjoint(line.words[after : after + 1])


def _is_something_else(name: Name, line: _Line, at: int) -> bool:
    """Whether a word beside it makes it another thing: "former Intel", "visa rules"."""
    after = at + len(name.words)
    before, following = line.words[max(0, at - 1) : at], line.words[after : after + 1]
    other_before = other_meaning(name.words[-1], "before")
    other_after = other_meaning(name.words[-1], "after")
    return not (
        (_NOT_ITSELF_BEFORE | other_before).isdisjoint(before)
        and (_NOT_ITSELF_AFTER | other_after).isdisjoint(following)
    )


def _begins_another_name(name: Name, line: _Line, after: int) -> bool:
    """Whether a capitalised word goes on with it: "Oracle Financial", "iPhone maker Foxconn"."""
    if after == len(line.words) or not line.cased[after][0].isupper():
        return False
    if line.text[line.spans[after - 1][1] : line.spans[after][0]] != " ":
        return False
    word = line.words[after]
    if name.words[-1] in _BY_ITS_PRODUCT:
        return word not in _CONTEXT
    return word in _ANOTHER_COMPANY


def _is_rating(name: Name, line: _Line, at: int) -> bool:
    """Whether a broker is named for a rating it gave: "cut at ...", "... starts Apple at buy"."""
    after = at + len(name.words)
    before, following = line.words[max(0, at - 2) : at], line.words[after : after + 2]
    first, second = (*following, "", "")[:2]
    if first in _IS_RATED and second in _BEHIND_RATED:
        # "Wells Fargo cut to hold at Baird": it is the one that is rated.
        return False
    if first in _RATERS_WORDS:
        # "Citigroup estimates $1 billion charge": it speaks of itself.
        return first != "estimates" or line.text[line.spans[after][1] :][:2] not in _MONEY
    found_at = not _RATERS_ARE_FOUND.isdisjoint(before[-1:])
    if (second in _RATERS_SAY and first not in COMPANY_VERBS) or (found_at and before[0] in _RATED):
        return True
    # "Buy Acme, target $242: Goldman".
    signs_it = not following and line.text[: line.spans[at][0]].rstrip()[-1:] in _BEFORE_A_SOURCE
    placed = found_at or signs_it or first in _RATERS_DO | _RATERS_SAY
    return placed and is_rating(line.text)


def is_rating(text: str) -> bool:
    """Whether a text speaks of a rating, a price target or coverage."""
    return _RATING.search(text) is not None
