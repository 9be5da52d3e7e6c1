"""Securities named by a symbol or a register's number: cashtags, exchange forms, CIK numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ops_pipeline.domain.news.company_names import COMPANY_VERBS, WORD, NameIndex
from ops_pipeline.domain.news.word_lists import word_lists

Evidence = Literal["cashtag", "exchange", "name", "symbol", "cik"]


@dataclass(frozen=True, slots=True)
class Mention:
    """A security named in a text, at text[start:end]."""

    ticker: str
    start: int
    end: int
    evidence: Evidence


# A share class may stand behind a blank where brackets or a comma end the symbol: "(NYSE: BRK B)".
_SYMBOL = r"[A-Z]{1,6}(?:[.\-/][A-Z]{1,2}|[ ][A-Z](?=\s*[),;]))?"
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,6}(?:[.\-][A-Za-z])?)(?![\w$])(?!\.X\b)")
_EXCHANGE = re.compile(
    r"\b(?:(?i:NYSE(?:[ -]?(?:American|Arca|MKT|Amex))?|New York Stock Exchange|"
    r"Nasdaq(?:[ -]?(?:GS|GM|CM|Global(?: Select)?(?: Market)?|Capital Market))?|AMEX|ARCA|Cboe|"
    r"BATS))"
    r"\s*:\s*(" + _SYMBOL + r"(?:\s*,\s*" + _SYMBOL + r")*)(?![\w])"
)
_IN_BRACKETS = re.compile(r"\((" + _SYMBOL + r")(?:\.(?:O|N|OQ))?\)")
_BARE = re.compile(r"(?<![\w$.&'\u2019-])([A-Z]{2,5}(?:[.\-/][A-Z])?)(?![\w&'\u2019-])")
# SEC's feed of filings: "8-K - APPLE INC (0000320193) (Filer)".
_CIK = re.compile(r"\((\d{10})\) \((?:Filer|Subject|Issuer)\)")
_SYMBOLS = word_lists("symbols")
_NO_SECURITY, _ORDINARY_CAPITALS = _SYMBOLS["no security"], _SYMBOLS["ordinary capitals"]
_BESIDE_SYMBOL = frozenset({"shares", "share", "stock", "calls", "puts", "options", "earnings"})


def canonical(symbol: str) -> str:
    """Share classes after a dot, however they were written: BRK-B, BRK/B and BRK B are BRK.B."""
    return symbol.upper().replace("-", ".").replace("/", ".").replace(" ", ".")


def strong_mentions(text: str, index: NameIndex) -> list[Mention]:
    """Cashtags, exchange forms and CIK numbers: each is evidence by itself."""
    return [*_cashtags(text, index), *_exchange_forms(text, index), *_filers(text, index)]


def bracketed_mentions(text: str, known: set[str]) -> list[Mention]:
    """Brackets without an exchange only confirm a security that the text names otherwise."""
    return [
        Mention(canonical(found[1]), found.start(), found.end(), "exchange")
        for found in _IN_BRACKETS.finditer(text)
        if canonical(found[1]) in known
    ]


def bare_mentions(text: str, index: NameIndex) -> Iterator[Mention]:
    """Symbols of known securities beside a word of the trade or what only companies do."""
    if text.isupper():
        return
    for found in _BARE.finditer(text):
        ticker = canonical(found[1])
        if ticker not in index.companies or ticker in _ORDINARY_CAPITALS:
            continue
        if _is_beside_the_trade(text, found):
            yield Mention(ticker, found.start(), found.end(), "symbol")


def _is_beside_the_trade(text: str, found: re.Match[str]) -> bool:
    if found.start() == 0 and text[found.end() :].startswith((": ", " - ")):
        return True
    following = WORD.search(text, found.end())
    if following is None:
        return False
    word = following.group().casefold()
    # "MSFT STOCK UP": in capitals a word of the trade proves nothing.
    return (word in _BESIDE_SYMBOL or word in COMPANY_VERBS) and not following.group().isupper()


def _cashtags(text: str, index: NameIndex) -> Iterator[Mention]:
    for found in _CASHTAG.finditer(text) if "$" in text else ():
        ticker = index.today(canonical(found[1]))
        unknown = ticker not in index.companies
        # "$b" and "$m" are amounts; an unknown symbol counts only in capitals.
        if ticker in _NO_SECURITY or (unknown and (len(ticker) < 2 or not found[1].isupper())):
            continue
        yield Mention(ticker, found.start(), found.end(), "cashtag")


def _exchange_forms(text: str, index: NameIndex) -> Iterator[Mention]:
    for found in _EXCHANGE.finditer(text) if ":" in text else ():
        for symbol in found[1].split(","):
            ticker = index.today(canonical(symbol.strip()))
            yield Mention(ticker, found.start(), found.end(), "exchange")


def _filers(text: str, index: NameIndex) -> Iterator[Mention]:
    for found in _CIK.finditer(text) if "(0" in text or "(1" in text else ():
        ticker = index.by_cik.get(found[1])
        if ticker is not None:
            yield Mention(ticker, found.start(), found.end(), "cik")
