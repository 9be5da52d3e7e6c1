"""How news writes a company that a register calls "NVIDIA CORP" or "BANK OF AMERICA CORP /DE/"."""

import re

from ops_pipeline.domain.news.word_sets import word_set

# What follows a name in a register and is left out by whoever writes about it.
_LEGAL = word_set(
    "inc incorporated corp corporation co company ltd limited plc llc lp llp sa nv ag se ab asa "
    "oyj spa kgaa bancorp trust fund adr ads reit cos companies de c v n s a the common stock "
    "class holdings holding group hldgs intl"
)
# Left out in speech where what is left still names the firm: "Uber Technologies".
_SPOKEN_WITHOUT = word_set(
    "technologies technology pharmaceuticals therapeutics platforms systems motors communications "
    "international industries enterprises brands stores laboratories"
)
_PLACE = re.compile(r"\s*[/\\][A-Za-z ,.&-]*[/\\]?\s*$|\s*\([^()]*\)\s*$")
_INITIALS, _INITIALS_LENGTH = word_set("etf usa us uk ai"), 3
_VOWEL = re.compile(r"[aeiouy]")
_SMALL = word_set("of and the for in on de la")
_HOUSES = (
    "alliancebernstein", "b. riley", "bank of america", "bank of montreal",
    "bank of nova scotia", "barclays", "bnp paribas", "citigroup", "citizens financial",
    "deutsche bank", "evercore", "goldman sachs", "hsbc", "jefferies", "jpmorgan chase",
    "keycorp", "lazard", "macquarie", "mizuho", "morgan stanley", "nomura", "oppenheimer",
    "piper sandler", "raymond james", "royal bank of canada", "stifel", "toronto dominion",
    "truist", "ubs", "wells fargo",
)  # fmt: skip
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
    while len(kept) > 1 and (_plain(kept[-1]) in _LEGAL or not _plain(kept[-1])):
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
    return " ".join(words[:-1]) if len(words) > 1 and _plain(words[-1]) in _SPOKEN_WITHOUT else None


def is_house(name: str) -> bool:
    """Whether this is one of the houses that rate others."""
    spoken = " ".join(_WORDS.findall(name.casefold()))
    return any(f"{spoken} ".startswith(" ".join(_WORDS.findall(house)) + " ") for house in _HOUSES)


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
