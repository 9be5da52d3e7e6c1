"""Whether a line speaks of all its securities alike, and in which parts to ask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.domain.news.symbols import Mention

_BREAK = re.compile(
    r"\s*;\s*|\s+[-\u2013\u2014|]\s+|,?\s+(?:while|but|whereas|although|as)\s+|[.!?]\s+(?=[A-Z$])"
)
_LIST_WORDS = re.compile(
    r"(?:and|&|plus|both|or|inc|corp|co|shares|stock|as well as|[,()/+$\u2019']|\bs\b|\s|\.)*",
    re.IGNORECASE,
)

# "While shares of Intel fall": as many may stand before the company that a clause is about.
_WORDS_BEFORE = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """A line cut where it changes its subject.

    `clauses` are those that name a security, in order, and `tickers` the ones that each
    names. `set_apart` is True when one clause names several that are not a mere list:
    "Apple sues Qualcomm". `plain` is True when each clause begins with its companies.
    """

    clauses: tuple[str, ...]
    set_apart: bool
    tickers: tuple[tuple[str, ...], ...]
    plain: bool = False


def parts_of(text: str, mentions: Sequence[Mention]) -> Parts | None:
    """The parts of a line that names several securities; None for one or none."""
    if len({mention.ticker for mention in mentions}) < 2:
        return None
    breaks = {found.end() for found in _BREAK.finditer(text)} | _commas_between(text, mentions)
    bounds = [0, *sorted(breaks - {len(text)}), len(text)]
    clauses: list[str] = []
    tickers: list[tuple[str, ...]] = []
    set_apart, plain = False, True
    for start, end in pairwise(bounds):
        inside = [m for m in mentions if start <= m.start < end]
        if inside:
            clauses.append(text[start:end].strip(" ,"))
            tickers.append(tuple(sorted({mention.ticker for mention in inside})))
            set_apart = set_apart or not _is_list(text, inside)
            plain = plain and len(text[start : inside[0].start].split()) <= _WORDS_BEFORE
    return Parts(tuple(clauses), set_apart, tuple(tickers), plain)


def speaks_of_all_alike(parts: Parts, whole: Sentiment, clauses: Sequence[Sentiment]) -> bool:
    """False when what is good for one of the securities may be bad for another."""
    if len({clause.label for clause in clauses}) > 1:
        return False
    return not parts.set_apart or whole.label == "neutral"


def _commas_between(text: str, mentions: Sequence[Mention]) -> set[int]:
    """Where a comma parts two statements: "Intel falls, AMD rises" is no list."""
    return {
        text.index(",", one.end) + 1
        for one, other in pairwise(mentions)
        if "," in text[one.end : other.start] and not _listed(text, one, other)
    }


def _is_list(text: str, mentions: Sequence[Mention]) -> bool:
    return all(_listed(text, one, other) for one, other in pairwise(mentions))


def _listed(text: str, one: Mention, other: Mention) -> bool:
    same = one.ticker == other.ticker or other.start < one.end
    return same or _LIST_WORDS.fullmatch(text[one.end : other.start]) is not None
