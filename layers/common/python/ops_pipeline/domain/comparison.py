"""Figures set against each other: "profit of EUR 5.1 mn, compared with EUR 4.2 mn"."""

import re
from typing import NamedTuple

from ops_pipeline.domain.lexicon import FORMS

_UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6}
_UNITS |= {"bn": 1e9, "b": 1e9, "billion": 1e9, "trn": 1e12, "trillion": 1e12}
_FIGURE = re.compile(
    r"(?P<figure>\d[\d,]*(?:\.\d+)?)\s*(?P<unit>%|percent|thousand|million|billion|trillion|"
    r"mln|mn|trn|bn|[kmb])?(?![\w.]\d)(?![a-z])"
)
_AGAINST = re.compile(
    r"\b(?:(?:as )?compared (?:to|with)|versus|vs\.?|against|from|up from|down from)\b"
)
_LOSS = re.compile(r"\b(?:loss|losses|negative)\b")


class _Amount(NamedTuple):
    value: float
    unit: str


def compared_figures(text: str) -> float:
    """+1 when the first figure is the better one, -1 when the worse, 0 when it can't be told.

    Args:
        text: One line in small letters that names a metric but no direction.
    """
    found = _AGAINST.search(text)
    if found is None:
        return 0.0
    now, before = text[: found.start()], text[found.end() :]
    if bool(_LOSS.search(now)) != bool(_LOSS.search(before)) and _figures(before):
        return -1.0 if _LOSS.search(now) else 1.0
    amounts, earlier = _figures(now), _figures(before)
    if not amounts or not earlier:
        return 0.0
    last, first = amounts[-1], earlier[0]
    if last.unit != first.unit or last.value == first.value:
        return 0.0
    return (1.0 if last.value > first.value else -1.0) * _sign_of_metric(now)


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
        for phrase in (" ".join(words[at : at + 2]), word):
            form = FORMS.get(phrase)
            if form is not None and form.kind == "metric":
                return form.value
    return 0.0
