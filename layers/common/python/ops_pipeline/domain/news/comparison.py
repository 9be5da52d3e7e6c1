"""Figures set against each other: "profit of EUR 5.1 mn, compared with EUR 4.2 mn".

Reports put last year's figure in brackets instead: "profit of EUR 5.1 mn (EUR 4.2 mn)".
"""

import re
from typing import NamedTuple

from ops_pipeline.domain.news.lexicon import FORMS

_UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6}
_UNITS |= {"c": 0.01, "cent": 0.01, "cents": 0.01}
_UNITS |= {"bn": 1e9, "b": 1e9, "billion": 1e9, "trn": 1e12, "trillion": 1e12}
_FIGURE = re.compile(
    r"(?P<figure>\d[\d,]*(?:\.\d+)?)\s*(?P<unit>%|percent|thousand|million|billion|trillion|"
    r"mln|mn|trn|bn|cents?|[kmbc])?(?![\w.]\d)(?![a-z])"
)
_AGAINST = re.compile(
    r"\b(?:(?:as )?compared (?:to|with)|versus|vs\.?|against|(?:up|down) from)\b|,\s*was\b|"
    r"[,;(]\s*(?:the )?(?:consensus|street|est\.?|estimates?|expected|year ago)\b"
)
_IN_BRACKETS = re.compile(
    r"\(\s*(?:(?:eur|usd|gbp|sek|nok|dkk|chf|[$€£])\s*)?(?!(?:19|20)\d\d\s*\))(?P<earlier>-?\d[\d.,]*\s*"
    r"(?:%|percent|thousand|million|billion|mln|mn|bn|[kmb])?)"
    r"(?:,?\s*(?:in|at|for|a year|q[1-4]|h[12])[^()]{0,30})?\s*\)"
)
# "Target to $310 from $270".
_TO_FROM = re.compile(r"\bto\s+(?P<now>[$€£]?\s*\d\S*)\s+from\s+(?P<before>[$€£]?\s*\d\S*)")
_LOSS = re.compile(r"\b(?:loss|losses|negative)\b")


class _Amount(NamedTuple):
    value: float
    unit: str


def compared_figures(text: str) -> float:
    """+1 when the first figure is the better one, -1 when the worse, 0 when that is unclear.

    Args:
        text: One line in small letters that names a metric but no direction.
    """
    bracket = _IN_BRACKETS.search(text)
    if bracket is not None:
        return _in_brackets(text[: bracket.start()], bracket["earlier"])
    moved = _TO_FROM.search(text)
    if moved is not None:
        return _compared(_figures(moved["now"]), _figures(moved["before"]), text)
    found = _AGAINST.search(text)
    if found is None:
        return 0.0
    now, before = text[: found.start()], text[found.end() :]
    if bool(_LOSS.search(now)) != bool(_LOSS.search(before)) and _figures(before):
        return -1.0 if _LOSS.search(now) else 1.0
    return _compared(_figures(now), _figures(before), now)


def _compared(amounts: list[_Amount], earlier: list[_Amount], named: str) -> float:
    """The last figure against the first of those before, by the metric that is named."""
    if not amounts or not earlier:
        return 0.0
    last, first = amounts[-1], earlier[0]
    if last.unit != first.unit or last.value == first.value:
        return 0.0
    return (1.0 if last.value > first.value else -1.0) * _sign_of_metric(named)


def _in_brackets(now: str, earlier: str) -> float:
    """The comparison with a figure in brackets, which often leaves the unit out."""
    amounts, then = _figures(now), _figures(earlier)
    if not amounts or not then:
        return 0.0
    last, first = amounts[-1], then[0]
    factor = _factor(now) if _factor(earlier) == 1 else 1.0
    if last.unit != first.unit or last.value == first.value * factor:
        return 0.0
    return (1.0 if last.value > first.value * factor else -1.0) * _sign_of_metric(now)


def _factor(text: str) -> float:
    """What the last unit of a text stands for, 1 without any."""
    units = [found["unit"] for found in _FIGURE.finditer(text)]
    return _UNITS.get(units[-1] or "", 1.0) if units else 1.0


def _figures(text: str) -> list[_Amount]:
    return [
        _Amount(
            float(found["figure"].replace(",", "")) * _UNITS.get(found["unit"] or "", 1.0),
            "%" if found["unit"] in ("%", "percent") else "",
        )
        for found in _FIGURE.finditer(text)
    ]


def _sign_of_metric(text: str) -> float:
    """The sign of the first metric that is named, 0 when none is."""
    words = re.findall(r"[a-z&]+", text)
    for at, word in enumerate(words):
        for phrase in (" ".join(words[at : at + 3]), " ".join(words[at : at + 2]), word):
            form = FORMS.get(phrase)
            if form is not None and form.kind == "metric":
                return form.value
    return 0.0
