"""A verdict for each company of a line whose grammar is plain: "A sues B", "A beats, B misses"."""

import re
from collections.abc import Sequence

from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.domain.news.line_parts import Parts
from ops_pipeline.domain.news.symbols import Mention
from ops_pipeline.domain.news.word_lists import word_lists

# What a verb between two companies is worth, in the scores of sentiments.
_PLAIN = 0.6
# Words that may stand around the verb: "Apple sues rival chipmaker Qualcomm over patents".
_FILLERS = 3
_LISTS = word_lists("between")
_EFFECTS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(_LISTS["object down"], (0.0, -_PLAIN)),
    **dict.fromkeys(_LISTS["object up"], (0.0, _PLAIN)),
    **dict.fromkeys(_LISTS["subject up object down"], (_PLAIN, -_PLAIN)),
    **dict.fromkeys(_LISTS["subject down object up"], (-_PLAIN, _PLAIN)),
}
_LONGEST = max(phrase.count(" ") + 1 for phrase in _EFFECTS)
_WORD = re.compile(r"[a-z]+")


def company_scores(
    text: str, mentions: Sequence[Mention], parts: Parts, clauses: Sequence[Sentiment]
) -> dict[str, float] | None:
    """The score of each company by its ticker; None where the grammar does not say.

    Args:
        mentions: In the order of the text.
        clauses: The sentiments of `parts.clauses`.
    """
    if not parts.set_apart:
        return _by_clause(parts, clauses) if parts.plain else None
    return _by_verb(text, mentions)


def _by_clause(parts: Parts, clauses: Sequence[Sentiment]) -> dict[str, float] | None:
    """ "Apple beats, Intel misses": each clause is about companies of its own."""
    found: dict[str, float] = {}
    for tickers, sentiment in zip(parts.tickers, clauses, strict=True):
        for ticker in tickers:
            if found.setdefault(ticker, sentiment.score) != sentiment.score:
                return None
    return found


def _by_verb(text: str, mentions: Sequence[Mention]) -> dict[str, float] | None:
    """ "Apple sues Intel": two companies and one verb between them."""
    places = {mention.ticker: mention for mention in reversed(mentions)}
    if len(places) != 2:
        return None
    subject, thing = sorted(places.values(), key=lambda mention: mention.start)
    words = _WORD.findall(text[subject.end : thing.start].casefold())
    for length in range(min(_LONGEST, len(words)), 0, -1):
        for at in range(len(words) - length + 1):
            effect = _EFFECTS.get(" ".join(words[at : at + length]))
            if effect is not None and len(words) - length <= _FILLERS:
                return {subject.ticker: effect[0], thing.ticker: effect[1]}
    return None
