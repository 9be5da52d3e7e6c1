"""Requests to Alpaca's market data for many symbols: their pages, and which symbols are refused."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops_pipeline.errors import MarketDataUnavailable

# Keeps the request line well under what servers accept.
_SYMBOLS_A_REQUEST = 200
# Of one question; the free plan has 200 requests a minute, for all that is asked.
_MOST_REFUSALS = 48
# Of the vendor's words only the list right behind these names symbols: "is" and "not" may be some.
_REFUSED_SYMBOLS = re.compile(
    r"invalid symbols?\W*([a-z0-9./-]+(?:\s*,\s*[a-z0-9./-]+)*)", re.IGNORECASE
)


class InvalidSymbols(MarketDataUnavailable):
    """A request that is refused for some of its symbols; caught before it leaves the adapters."""

    def named(self, symbols: Sequence[str]) -> list[str]:
        """Which of them the words seem to name; the only one there was."""
        if len(symbols) == 1:
            return list(symbols)
        found = _REFUSED_SYMBOLS.search(str(self))
        words = set() if found is None else {it.strip().upper() for it in found[1].split(",")}
        return [symbol for symbol in symbols if symbol in words]


Page = Mapping[str, Any]


@dataclass
class SymbolRequests:
    """One question about many symbols.

    Attributes:
        ask: Sends one request. Raises InvalidSymbols where some of its symbols are refused.
        most_pages: Of one request; more are no honest answer.
        refused: The symbols that were refused, and in which words; they cost no other its own.
    """

    path: str
    question: Mapping[str, str]
    ask: Callable[[str, Mapping[str, str]], Page]
    most_pages: int
    refused: dict[str, str] = field(default_factory=dict)
    _refusals: int = 0

    def pages(self, symbols: Sequence[str]) -> Iterator[Page]:
        """Raises MarketDataUnavailable: no answer, pages without end, or too many refusals."""
        for first in range(0, len(symbols), _SYMBOLS_A_REQUEST):
            some = symbols[first : first + _SYMBOLS_A_REQUEST]
            yield from self._of_valid(some, self._first(some))

    def _of_valid(self, symbols: Sequence[str], page: Page | InvalidSymbols) -> Iterator[Page]:
        """What is wrong with a symbol shows at the first page, which is given."""
        if not isinstance(page, InvalidSymbols):
            yield from self._from(symbols, page)
            return
        named = page.named(symbols)
        left = [symbol for symbol in symbols if symbol not in named]
        then = self._first(left) if named and left else None
        if named and not (isinstance(then, InvalidSymbols) and str(then) == str(page)):
            self.refused |= dict.fromkeys(named, str(page))
            if then is not None:
                yield from self._of_valid(left, then)
            return
        # The words name none, or are the same without those that they seemed to name.
        half = len(symbols) // 2
        for part in (symbols[:half], symbols[half:]):
            yield from self._of_valid(part, self._first(part))

    def _first(self, symbols: Sequence[str]) -> Page | InvalidSymbols:
        try:
            return self.ask(self.path, self._asked(symbols))
        except InvalidSymbols as refusal:
            self._refusals += 1
            if self._refusals > _MOST_REFUSALS:
                raise
            return refusal

    def _from(self, symbols: Sequence[str], page: Page) -> Iterator[Page]:
        """This page and those after it."""
        token = None
        for _ in range(self.most_pages):
            yield page
            before, token = token, page.get("next_page_token")
            if not token:
                return
            if token == before:
                raise MarketDataUnavailable(f"{self.path}: the pages do not move on")
            page = self.ask(self.path, {**self._asked(symbols), "page_token": str(token)})
        raise MarketDataUnavailable(f"{self.path}: more than {self.most_pages} pages")

    def _asked(self, symbols: Sequence[str]) -> dict[str, str]:
        return {**self.question, "symbols": ",".join(symbols)}
