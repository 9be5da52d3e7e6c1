"""Headlines as text: markup removed, and reduced to what tells one story from another."""

import html
import re
import unicodedata

from ops_pipeline.domain.news.lexicon import DIRECTION_WORDS

# A comment ends at its first "--": a search to the end from each "<!--" would be endless.
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]*|!--(?:[^-]|-(?!-))*--)>")
# Postgres keeps no NUL and UTF-8 no lone surrogate; other control characters only hide.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ud800-\udfff\ufeff]"
)
_CORRECTION = re.compile(
    r"^(?:corrected|correction|corrects|clarification|updated?)\b\s*\d*\s*[-:|(]", re.IGNORECASE
)
# "Corrects second paragraph", at the end of a corrected headline.
_CORRECTS = re.compile(
    r"\s*[\[(](?:corrects?|corrected|updates?|adds)\b[^\])]*[\])]\s*$", re.IGNORECASE
)
# A headline that its feed cut short; what is left of the last word says nothing.
_ELLIPSIS = re.compile(r"(?:[^\s.\u2026]*)(?:\.{3}|\u2026)\s*$")
_LABEL = re.compile(
    r"^(?:(?:updated?|wrapup|correction|corrected|corrects|clarification|refile|rpt)\s*\d*|"
    r"breaking(?: news)?|exclusive|"
    r"alert|just in|watch|live)\s*[-:|]\s*",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\s+[-\u2013\u2014|]\s+([^-\u2013\u2014|]+)$")
_WORD = re.compile(r"[+-]?[$€£¥]?\d+(?:[.,]\d+)*%?|[^\W\d_]+(?:['\u2019][^\W\d_]+)*\d*|[▲▼↑↓]")
_NAME_LIKE = re.compile(r"[A-Z0-9][\w.&'\u2019]*(?:\s+(?:of|the|and|&|[A-Z][\w.&'\u2019]*)){0,4}")
# Two words ("Market wrap") head many different stories.
_FEWEST_WORDS = 3
# Resolving entities takes 0.4 us a character: the markup before and in a text has an end.
_MOST_MARKUP = 4_000


def plain_text(text: str | None, longest: int) -> str | None:
    """The text without tags, entities, control characters and runs of white space.

    None when nothing is left. At most `longest` characters, cut at a word.
    """
    if not text:
        return None
    # Feeds escape twice as often as once; a text without entities stays as it is.
    bare = html.unescape(
        _TAG.sub(" ", html.unescape(text[: min(8 * longest, longest + _MOST_MARKUP)]))
    )
    words = " ".join(_UNPRINTABLE.sub("", bare).split())
    if len(words) > longest:
        words = words[:longest].rsplit(" ", 1)[0]
    return words or None


def title_key(title: str, *, source: str) -> str | None:
    """The headline without its source, case and punctuation; equal keys tell one story.

    Figures keep their sign, point and unit and directions are words like any other, so
    "Q1 profit up 12%" and "Q2 profit up 12%" differ. None when too short to tell.
    """
    text = unicodedata.normalize("NFKC", title).replace("\u2212", "-")
    text = _CORRECTS.sub("", _LABEL.sub("", _LABEL.sub("", text)))
    text = _ELLIPSIS.sub("", _without_source(text, source))
    words = [_figure(word) for word in _WORD.findall(text.casefold())]
    words = ["%" if word in ("percent", "pct") else word for word in words]
    key = " ".join(words).replace(" %", "%")
    return key if len(words) >= _FEWEST_WORDS else None


def is_correction(title: str | None) -> bool:
    """Whether a headline says that it corrects or updates an earlier one."""
    return title is not None and _CORRECTION.match(title) is not None


def _figure(word: str) -> str:
    return word.replace(",", "") if word[-1].isdigit() or word[-1] == "%" else word


def _without_source(title: str, source: str) -> str:
    """Drop "Reuters: " at the start and " - Reuters" or " | CNBC" at the end."""
    head, colon, rest = title.partition(": ")
    if colon and head.casefold() == source.casefold():
        title = rest
    found = _SUFFIX.search(title)
    if found is None:
        return title
    suffix, before = found.group(1).strip(), title[: found.start()]
    if suffix.casefold() == source.casefold():
        return before
    return before if _names_a_source(suffix) and len(before.split()) >= _FEWEST_WORDS else title


def _names_a_source(suffix: str) -> bool:
    """A few capitalised words without a figure or a direction: a name, not a statement."""
    if not _NAME_LIKE.fullmatch(suffix) or any(character.isdigit() for character in suffix):
        return False
    return DIRECTION_WORDS.isdisjoint(suffix.casefold().split())
