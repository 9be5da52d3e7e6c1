"""What the words of financial news do; the words themselves are in words/*.txt. Version 3.

Directions say which way a thing moves, metrics whether more of it is good or bad, and
judgements are good or bad by themselves. Weights are in units of one clear statement.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Literal, NamedTuple

from ops_pipeline.domain.news.word_lists import word_lists

Kind = Literal[
    "move", "metric", "judgement", "negator", "hedge", "scale", "turn", "concession", "plain",
    "yardstick", "site", "link", "overrule", "reverser",
]  # fmt: skip
Reach = Literal[
    "", "after", "either", "only", "next", "object", "subject", "expected", "bad", "list", "reason"
]


class Form(NamedTuple):
    """What one word or phrase does.

    `value` is signed: +1 up or good, -1 down or bad; for "scale" and "hedge" the factor.
    `reach` says where a move's metric stands: "after" ("cut costs"), "either" ("sales fell",
    "lower sales"), "only" ("smaller losses": nothing without one), "next" (the same, behind
    it: "ends strike"), "object" (a site behind it: "closes plant", never "shares close"),
    "subject" (a site before it), or "expected" where it says nothing without something to be
    held against ("below the consensus"). For a negator it is "bad" when it is bad news by
    itself, for a link "list" or "reason". An "overrule" is an opinion that alone counts in
    its clause, a "reverser" says that the rest of it goes too far.
    """

    kind: Kind
    value: float
    reach: Reach = ""


class Vocabulary(NamedTuple):
    """Forms by phrase, and the length of the longest phrase that begins with a word."""

    forms: Mapping[str, Form]
    longest: Mapping[str, int]

    @classmethod
    def of(cls, forms: Mapping[str, Form]) -> "Vocabulary":
        longest: dict[str, int] = {}
        for phrase in forms:
            words = phrase.split()
            longest[words[0]] = max(len(words), longest.get(words[0], 1))
        return cls(forms, longest)


# What the phrases of each list of a file do; where two lists share a phrase, the later counts.
_NEWS_ROLES: dict[str, dict[str, Form]] = {
    "direction": {
        "more is good": Form("metric", 1.0),
        "more is bad": Form("metric", -1.0),
        "still": Form("metric", 0.0),
        "sites": Form("site", 1.0),
        "yardsticks": Form("yardstick", 0.0),
        "rises": Form("move", 1.0, "either"),
        "leaps": Form("move", 1.4, "either"),
        "raises": Form("move", 1.0, "after"),
        "falls": Form("move", -1.0, "either"),
        "plunges": Form("move", -1.4, "either"),
        "cuts": Form("move", -1.0, "after"),
        "closes": Form("move", -1.0, "object"),
        "closed": Form("move", -1.0, "subject"),
        "ends": Form("move", -1.0, "next"),
        "smaller": Form("move", -1.0, "only"),
        "larger": Form("move", 1.0, "only"),
        "above": Form("move", 1.0, "expected"),
        "below": Form("move", -1.0, "expected"),
    },
    "judgement": {
        "likely good": Form("judgement", 0.6),
        "likely bad": Form("judgement", -0.6),
        "good": Form("judgement", 1.0),
        "bad": Form("judgement", -1.0),
    },
    "grammar": {
        "negators": Form("negator", -0.9),
        "failures": Form("negator", -0.7, "bad"),
        "hedges": Form("hedge", 0.6),
        "faint": Form("scale", 0.7),
        "loud": Form("scale", 1.25),
        "turns": Form("turn", 0.0),
        "concessions": Form("concession", 0.3),
        "neutral": Form("plain", 0.0),
        "and": Form("link", 0.0, "list"),
        "reasons": Form("link", 0.0, "reason"),
        "overrules up": Form("overrule", 1.2),
        "overrules down": Form("overrule", -1.2),
        "reversers": Form("reverser", -1.0),
    },
}
_TRADERS_ROLES = {
    "bullish": Form("judgement", 0.8),
    "bearish": Form("judgement", -0.8),
    "passing": Form("plain", 0.0),
    "overrules up": Form("overrule", 1.2),
    "overrules down": Form("overrule", -1.2),
}


def _forms(phrases: Iterable[str], form: Form) -> dict[str, Form]:
    return dict.fromkeys(sorted(phrases), form)


def _forms_of_news() -> dict[str, Form]:
    found: dict[str, Form] = {}
    for file, roles in _NEWS_ROLES.items():
        lists = word_lists(file)
        for name, form in roles.items():
            found |= _forms(lists[name], form)
    return found


def _forms_of_traders(lists: Mapping[str, frozenset[str]]) -> dict[str, Form]:
    found: dict[str, Form] = {}
    for name, form in _TRADERS_ROLES.items():
        found |= _forms(lists[name], form)
    for sign in (1.0, -1.0):
        crowds = lists["crowds down" if sign > 0 else "crowds up"]
        found |= _forms(_fates(crowds, lists), Form("judgement", sign))
    found |= _forms(lists["squeezes"], Form("judgement", 1.0))
    for name, emoji in lists.items():
        if name.startswith("emoji "):
            found |= _forms(emoji, Form("judgement", float(name.removeprefix("emoji "))))
    return found


def _fates(crowds: Iterable[str], lists: Mapping[str, frozenset[str]]) -> Iterable[str]:
    """Each crowd with each of its fates: "bears crushed", "bears are getting crushed"."""
    links = ("", *(f"{link} " for link in lists["links"]))
    return (f"{crowd} {link}{fate}" for crowd, link, fate in product(crowds, links, lists["fates"]))


_TRADERS = word_lists("traders")
FORMS = _forms_of_news()
NEWS = Vocabulary.of(FORMS)
# A post is read with the same words and, before them, with those of traders.
POSTS = Vocabulary.of({**FORMS, **_forms_of_traders(_TRADERS)})
EMOJI = frozenset().union(*(_TRADERS[name] for name in _TRADERS if name.startswith("emoji ")))

_TRAITS = word_lists("traits")
BAD_BY_ITSELF = _TRAITS["bad by itself"]
GOOD_BY_ITSELF = _TRAITS["good by itself"]
EXPECTATION_METRICS = _TRAITS["expectations"]
VERDICT_METRICS = _TRAITS["verdicts"]
FEARS = _TRAITS["fears"]
DIRECTION_WORDS = frozenset(
    word for word, form in FORMS.items() if form.kind in ("move", "judgement") and " " not in word
)
