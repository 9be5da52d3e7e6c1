"""Lines about politics, crime, disease, disasters, sports and people's lives: nobody's earnings."""

import re

from ops_pipeline.domain.news.word_lists import word_lists

_LISTS = word_lists("topics")
# One word each, but for those of two or three.
_WORDS = re.compile(r"[a-z$%][a-z&]*")
_MARKET = _LISTS["market"]
_TOPICS: dict[str, tuple[str, ...]] = {}
for _phrase in sorted(_LISTS["topics"]):
    _TOPICS.setdefault(_phrase.split()[0], ())
    _TOPICS[_phrase.split()[0]] += (_phrase,)


def is_nobodys_earnings(plain: str) -> bool:
    """Whether a line speaks of such a topic and of no market, price or company.

    Args:
        plain: One line in small letters.
    """
    words = _WORDS.findall(plain)
    if not any(_begins_topic(words, at) for at, word in enumerate(words) if word in _TOPICS):
        return False
    return _MARKET.isdisjoint(words) and "$" not in plain


def _begins_topic(words: list[str], at: int) -> bool:
    return any(
        words[at : at + phrase.count(" ") + 1] == phrase.split() for phrase in _TOPICS[words[at]]
    )
