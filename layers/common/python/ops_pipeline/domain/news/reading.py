"""The texts of an item that the classifier judges, and the verdict from its answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.company_verdicts import company_scores
from ops_pipeline.domain.news.filings import filing_of
from ops_pipeline.domain.news.items import Classified, Sentiment, WaitingItem
from ops_pipeline.domain.news.line_parts import Parts, parts_of, speaks_of_all_alike
from ops_pipeline.domain.news.symbols import Mention
from ops_pipeline.domain.news.tickers import find_mentions, is_rating

_WORD = re.compile(r"[A-Za-z]{2,}")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class LineReading:
    """One item as the classifier is asked about it.

    `text` is None when nothing can be asked; `reason` says why.
    """

    item: WaitingItem
    text: str | None
    reason: str | None
    tickers: tuple[str, ...]
    parts: Parts | None
    mentions: tuple[Mention, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, then its parts where it names several securities."""
        if self.text is None:
            return ()
        return (self.text, *(self.parts.clauses if self.parts else ()))


def read(item: WaitingItem, index: NameIndex) -> LineReading:
    """Find the text that counts and the securities it names.

    The headline counts; the summary stands in where there is none, and names the
    security where the headline does not and the summary speaks of one alone.
    """
    text = item.title or item.summary or ""
    mentions = find_mentions(text, index)
    tickers = {mention.ticker for mention in mentions}
    if not tickers and item.summary:
        of_summary = {mention.ticker for mention in find_mentions(item.summary, index)}
        # Under a headline about a rating, the broker that gave it is not its subject.
        if is_rating(text):
            of_summary -= {ticker for ticker in of_summary if index.is_broker(ticker)}
        tickers = of_summary if len(of_summary) == 1 else set()
    filing = filing_of(item.title, item.summary)
    if filing is not None:
        return LineReading(item, filing.text, filing.reason, tuple(sorted(tickers)), None)
    reason = _unreadable(text)
    return LineReading(
        item=item,
        text=None if reason else text,
        reason=reason,
        tickers=tuple(sorted(tickers)),
        parts=None if reason else parts_of(text, mentions),
        mentions=mentions,
    )


def judged(reading: LineReading, sentiments: Sequence[Sentiment], model: str) -> Classified:
    """The row of one item, from the answers to `reading.texts` in their order."""
    mixed, scores = False, None
    if reading.parts is not None and reading.text is not None:
        whole, *clauses = sentiments
        mixed = not speaks_of_all_alike(reading.parts, whole, clauses)
        if mixed:
            scores = company_scores(reading.text, reading.mentions, reading.parts, clauses)
    return Classified(
        item=reading.item,
        tickers=reading.tickers,
        sentiment=sentiments[0] if sentiments else None,
        reason=reading.reason,
        mixed=mixed,
        model=model,
        ticker_scores=scores,
    )


def _unreadable(text: str) -> str | None:
    """Why no model of English can judge a text; None when one can."""
    if not text.strip():
        return "no text"
    if _WORD.search(text):
        return None
    return "not in Latin letters" if _LETTER.search(text) else "no words"
