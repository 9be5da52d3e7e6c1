"""The names by which news may mean a security, ready to be looked up word by word."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ops_pipeline.domain.news import Company
from ops_pipeline.domain.word_sets import word_set

WORD = re.compile(r"[^\W_]+|&")
# Legal forms and "shares" after a name make an ordinary word a company.
COMPANY_CONTEXT = word_set(
    "inc corp corporation co company plc ltd group holdings shares share stock earnings revenue "
    "profit sales ceo cfo s"
)
# Only companies do these things; "Target raises outlook", never "target raises".
COMPANY_VERBS = word_set(
    "beats misses reports posts raises cuts lifts lowers falls rises jumps drops gains slips "
    "surges slides tumbles soars plunges climbs sinks rallies says said unveils launches names "
    "plans announces agrees buys acquires sues recalls hires fires expects warns to shuts opens "
    "closes wins loses signs sells hits reached reported posted raised cut lifted beat missed "
    "rose fell jumped dropped gained slipped surged tumbled soared plunged climbed"
)
# Company names that are words, first names or surnames of ordinary lines as well.
ORDINARY_NAMES = word_set(
    "ally alphabet amazon apple block chase chevron chewy citizens coach delta discover ford gap "
    "general intel key lilly lowe match meta nike oracle paramount progressive ralph shell snap "
    "southwest square target toast uber unity united visa zoom"
)
# Ordinary only by the company it keeps: alone they do mean the firm in news about money.
ALMOST_ALWAYS_FIRMS = word_set("alphabet amazon apple chevron intel meta nike uber")
NEEDS_CONTEXT = ORDINARY_NAMES - ALMOST_ALWAYS_FIRMS


class Name(NamedTuple):
    """One name as its words; `cased` are its words as written, to compare capitals with."""

    words: tuple[str, ...]
    cased: tuple[str, ...]
    company: Company

    @property
    def needs_context(self) -> bool:
        return len(self.words) == 1 and self.words[0] in NEEDS_CONTEXT


class NameBook:
    """All names of the active securities, by their first word, longest first."""

    def __init__(self, companies: Iterable[Company]) -> None:
        self.companies = {company.ticker: company for company in companies}
        self._names: dict[str, list[Name]] = {}
        for company in self.companies.values():
            for text in company.names:
                self._add(tuple(WORD.findall(text)), company)
        for names in self._names.values():
            names.sort(key=lambda name: (-len(name.words), name.company.ticker))

    def _add(self, cased: tuple[str, ...], company: Company) -> None:
        if cased:
            words = tuple(word.casefold() for word in cased)
            self._names.setdefault(words[0], []).append(Name(words, cased, company))

    def starting_with(self, word: str) -> list[Name]:
        """The names whose first word is this one, in small letters; the longest first."""
        return self._names.get(word, [])
