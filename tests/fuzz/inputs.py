"""What strangers might send: honest documents with something odd in them, and plain noise."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

# Words at which readers of text, numbers and times have stumbled before.
ODD_TEXTS = (
    *("", " ", "\x00", "\ud800", "\u202e", "\x1b[2J", "=1+1", "\ufeff", "NaN", "Infinity", "-0"),
    *("1e999999", "9" * 400, "0x10", "1_000", "\u0661", "2026-02-30T00:00:00Z", "0000-00-00"),
    *("9999-12-31T23:59:59.999999999+23:59", "Wed, 04 Feb 2026 14:31:00 +99999999999999"),
    *("http://[::1", "http://a:99999999/", "javascript:alert(1)", "//", "%00", "{}", "[]", "null"),
    *("$1", ":a", "$$", "$a$", "--", "/*", "E'\\", "U&'\\0000'", "COPY x FROM STDIN;\n\\."),
)
NUMBERS = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e308, 5e-324, 0.1]
)
SCALARS: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.integers(), st.floats(), st.sampled_from(ODD_TEXTS),
    st.text(max_size=40),
)  # fmt: skip
JSON: SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


def altered(honest: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """An honest object of JSON with some fields replaced, left out or added."""
    names = st.sampled_from(sorted(honest))
    changes = st.dictionaries(st.one_of(names, names, st.text(max_size=8)), JSON, max_size=3)
    return st.tuples(changes, st.sets(names, max_size=2)).map(
        lambda both: {**{k: v for k, v in honest.items() if k not in both[1]}, **both[0]}
    )


def spliced(honest: Sequence[bytes]) -> SearchStrategy[bytes]:
    """Pieces of honest documents, odd words and noise, one after the other."""
    odd = [text.encode("utf-8", "surrogatepass") for text in ODD_TEXTS]
    cut = st.tuples(st.sampled_from(honest), st.integers(0, 4000), st.integers(0, 4000)).map(
        lambda it: it[0][min(it[1:]) : max(it[1:])]
    )
    pieces = st.one_of(st.sampled_from(honest), cut, st.sampled_from(odd), st.binary(max_size=60))
    return st.lists(pieces, max_size=6).map(b"".join)


def noisy(honest: Sequence[bytes]) -> SearchStrategy[bytes]:
    """An honest document with something else in its middle, or pieces of several."""
    odd = [text.encode("utf-8", "surrogatepass") for text in ODD_TEXTS]
    something = st.one_of(st.sampled_from(odd), st.binary(max_size=12))
    places = st.tuples(st.integers(0, 4000), st.integers(0, 12), something)
    inserted = st.tuples(st.sampled_from(honest), st.lists(places, max_size=3)).map(_insert)
    return st.one_of(inserted, inserted, spliced(honest))


def _insert(given: tuple[bytes, list[tuple[int, int, bytes]]]) -> bytes:
    text, places = given
    for where, replaced, what in places:
        at = where % (len(text) + 1)
        text = text[:at] + what + text[at + replaced :]
    return text
