"""The names of the securities, indexed by their first word."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from ops_pipeline.domain.news.items import Company
from ops_pipeline.domain.news.word_lists import word_lists

WORD = re.compile(r"[^\W_]+|&")
_LISTS = word_lists("companies")
COMPANY_CONTEXT, COMPANY_VERBS = _LISTS["context"], _LISTS["verbs"]
_ORDINARY_NAMES = _LISTS["ordinary names"]
# Symbols change rarely; a circle of renames ends here.
_MOST_RENAMES = 5


def other_meaning(word: str, side: Literal["before", "after"]) -> frozenset[str]:
    """The words on one side of a name that make it something else: "price target"."""
    return _LISTS.get(f"{side} {word}", frozenset())


def _by_cik(companies: Iterable[Company]) -> dict[str, str]:
    """A filer's common share: of several securities the one that has the company's name."""
    found: dict[str, str] = {}
    for company in sorted(companies, key=lambda one: (not one.names, one.ticker)):
        if company.cik is not None:
            found.setdefault(company.cik, company.ticker)
    return found


class Name(NamedTuple):
    """One name as its words; `cased` are its words as written, to compare capitals with."""

    words: tuple[str, ...]
    cased: tuple[str, ...]
    company: Company

    @property
    def needs_context(self) -> bool:
        return len(self.words) == 1 and (
            self.company.name_needs_context or self.words[0] in _ORDINARY_NAMES
        )


class NameIndex:
    """All names of the active securities, by their first word, longest first."""

    def __init__(
        self, companies: Iterable[Company], renamed: Mapping[str, str] | None = None
    ) -> None:
        """Index the companies of a day.

        Args:
            companies: Those whose symbols were in use on that day.
            renamed: Earlier symbols with the ones that they had become by then.
        """
        self.companies = {company.ticker: company for company in companies}
        self._renamed = renamed or {}
        self.by_cik = _by_cik(self.companies.values())
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

    def today(self, symbol: str) -> str:
        """The symbol that the index's day knows: $FB means META once it was renamed."""
        for _ in range(_MOST_RENAMES):
            if symbol in self.companies or symbol not in self._renamed:
                break
            symbol = self._renamed[symbol]
        return symbol

    def is_broker(self, ticker: str) -> bool:
        """Whether a security is a broker that rates other companies."""
        company = self.companies.get(ticker)
        return company is not None and company.is_broker

    def starting_with(self, word: str) -> list[Name]:
        """The names whose first word is this one, in small letters; the longest first."""
        return self._names.get(word, [])
