"""The names by which news may mean a security, ready to be looked up word by word."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ops_pipeline.domain.news.items import Company
from ops_pipeline.domain.news.word_sets import word_set

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
NEEDS_CONTEXT = word_set(
    "ally block chase chewy citizens coach delta discover ford gap general key lilly lowe match "
    "paramount progressive ralph shell snap southwest square target toast unity united zoom"
)
# Firms in nearly every line about money, but for these words before and after them.
OTHER_MEANINGS = {
    "merck": (word_set(""), word_set("kgaa")),
    "oracle": (word_set(""), word_set("of")),
    "target": (word_set("price"), word_set("price date")),
    "visa": (
        word_set("b 1b h1b entry golden new student tourist travel work"),
        word_set("applications ban bans fee free holders policy program rules waiver waivers"),
    ),
}


class Name(NamedTuple):
    """One name as its words; `cased` are its words as written, to compare capitals with."""

    words: tuple[str, ...]
    cased: tuple[str, ...]
    company: Company

    @property
    def needs_context(self) -> bool:
        return len(self.words) == 1 and (
            self.company.name_needs_context or self.words[0] in NEEDS_CONTEXT
        )


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

    def is_broker(self, ticker: str) -> bool:
        """Whether a security is known as a house that rates others."""
        company = self.companies.get(ticker)
        return company is not None and company.is_broker

    def starting_with(self, word: str) -> list[Name]:
        """The names whose first word is this one, in small letters; the longest first."""
        return self._names.get(word, [])
