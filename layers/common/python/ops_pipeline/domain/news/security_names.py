"""How news writes a company that a register calls "NVIDIA CORP" or "BANK OF AMERICA CORP /DE/"."""

import re

from ops_pipeline.domain.news.word_lists import word_lists

_LISTS = word_lists("companies")
_LEGAL_FORMS, _LEFT_OUT = _LISTS["legal forms"], _LISTS["left out in speech"]
_BROKERS = tuple(sorted(_LISTS["brokers"]))
_PLACE = re.compile(r"\s*[/\\][A-Za-z ,.&-]*[/\\]?\s*$|\s*\([^()]*\)\s*$")
_INITIALS, _INITIALS_LENGTH = frozenset({"etf", "usa", "us", "uk", "ai"}), 3
_VOWEL = re.compile(r"[aeiouy]")
_SMALL = frozenset({"of", "and", "the", "for", "in", "on", "de", "la"})
_WORDS = re.compile(r"[^\W_]+")


def spoken_name(title: str) -> str:
    """The name without place, punctuation and legal form, written as news writes it.

    A name all in capitals gets small letters, but for words without a vowel ("CVS") and
    a whole name of up to three letters ("IBM"). Never empty: what is nothing but a legal
    form stays as it is.
    """
    bare = title.strip()
    while (shorter := _PLACE.sub("", bare)) != bare and shorter:
        bare = shorter
    words = [word.strip(",") for word in bare.split()]
    kept = list(words)
    while len(kept) > 1 and (_plain(kept[-1]) in _LEGAL_FORMS or not _plain(kept[-1])):
        kept.pop()
    if len(kept) > 1 and kept[0].casefold() == "the":
        kept.pop(0)
    shout = " ".join(kept).isupper()
    if len(kept) == 1 and len(kept[0]) <= _INITIALS_LENGTH:
        return kept[0]
    return " ".join(_written(word, shout, first=at == 0) for at, word in enumerate(kept))


def shorter_name(name: str) -> str | None:
    """The name without a last word that speech leaves out; None when there is none."""
    words = name.split()
    return " ".join(words[:-1]) if len(words) > 1 and _plain(words[-1]) in _LEFT_OUT else None


def is_broker_name(name: str) -> bool:
    """Whether this is one of the brokers that rate other companies."""
    spoken = " ".join(_WORDS.findall(name.casefold()))
    return any(f"{spoken} ".startswith(f"{broker} ") for broker in _BROKERS)


def name_key(name: str) -> tuple[str, ...]:
    """What two names must differ in to be told apart in a text: their words."""
    return tuple(_WORDS.findall(name.casefold()))


def _plain(word: str) -> str:
    return re.sub(r"[^\w]", "", word.casefold())


def _written(word: str, shout: bool, *, first: bool) -> str:
    if not shout:
        return word
    if word.casefold() in _SMALL and not first:
        return word.casefold()
    letters = _plain(word)
    # Digits and signs belong to names that are written in capitals: "3M", "AT&T".
    initials = not word.replace("-", "").replace("'", "").replace(".", "").isalpha()
    initials = initials or letters in _INITIALS or not _VOWEL.search(letters)
    return word if initials else word.title().replace("'S", "'s")
