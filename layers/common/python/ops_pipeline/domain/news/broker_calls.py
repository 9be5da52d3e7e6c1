"""A broker's call at the beginning of a line: "Sell Acme, target $242", "Buy Globex: Baird"."""

import re

_CALL = re.compile(
    r"(?:[\w&.]+ ?: )?(?P<call>strong buy|strong sell|buy|sell|hold|reduce|accumulate|add|"
    r"outperform|underperform|overweight|underweight|neutral|avoid|long|short)(?: on)? "
    # What is called stands next; "buy now", "add to", "short of" are no calls.
    r"(?!(?:now|the|or|and|to|a|an|back|in|out|off|of|your|for|it|this|that|more|side|term|sellers?|"
    r"interest|on|with|as|by|from|at|not|stance|rating)\b)[\w&.'$-]+"
)
# What tells a call from a sentence that begins with such a word: a target, a price, a name
# behind a colon or a dash at the end.
_EVIDENCE = re.compile(
    r"\b(?:target|pt|tp|price objective|idea)\b|[:\u2013\u2014-] ?[\w&. ]{2,30}$|"
    r", says [\w&. ]{2,30}$"
)
_UP = frozenset({"strong buy", "buy", "accumulate", "add", "outperform", "overweight", "long"})
_DOWN = frozenset(
    {"strong sell", "sell", "reduce", "underperform", "underweight", "avoid", "short"}
)
_CLEAR = 1.2


def broker_call(plain: str) -> float | None:
    """+1.2 for a call to buy, -1.2 to sell, 0 to hold; None where the line begins with no call.

    Args:
        plain: One line in small letters.
    """
    found = _CALL.match(plain)
    if found is None or _EVIDENCE.search(plain, found.end() - 1) is None:
        return None
    call = found["call"]
    return _CLEAR if call in _UP else -_CLEAR if call in _DOWN else 0.0
