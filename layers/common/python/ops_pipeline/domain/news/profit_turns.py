"""From a profit to a loss and back: "slipped to a net loss of $2.6 million from a profit".

What a period ended in outweighs every word of direction beside it, and what the period
before ended in says nothing by itself.
"""

import re
from typing import Literal

Result = Literal["profit", "loss"]

_STATE = (
    r"(?P<{0}>(?:net |operating |pretax |pre-tax |quarterly |annual )?"
    r"(?:loss(?:es)?|profits?|the red|the black|profitability))"
)
_VERBS = (
    r"(?:slip|slid|slide|swing|swung|fall|fell|drop|dip|sink|sank|sunk|lurch|plung|tumbl|plummet|crash"
    r"|turn|return|mov|climb|ris|rose|jump|leap|bounc|rebound|go|went|back|came|come|shift"
    r"|revert|collaps|surg|soar|descend|head)\w*"
)
# At most a few words may stand between: "to a third-quarter net loss", "to $3 million profit".
_BETWEEN = r"(?:(?!from |after )[\w.$€£%'-]+ ){0,4}?"
# "Fell to a loss of EUR 12 mn from a profit of EUR 3 mn": the end of the movement counts.
_MOVED = re.compile(
    rf"\b{_VERBS}(?: back)?(?: again)? (?:in)?to {_BETWEEN}{_STATE.format('now')}\b(?! warning)"
    rf"(?:[^;]{{0,40}}?\b(?:from|after) {_BETWEEN}{_STATE.format('before')}\b)?"
)
# "Net loss of last year became a net profit".
_BECAME = re.compile(
    rf"\b{_STATE.format('before')}\b[^;]{{0,30}}?\b(?:became|becomes|gave way to|gives way to) "
    rf"{_BETWEEN}{_STATE.format('now')}\b"
)
_EARNED, _LOST = r"profit(?:s|able)?|earn(?:s|ed)", r"loss(?:es)?|los(?:es|t)"
# "Posts loss versus year-ago profit", "earns $1.20 a share, was loss of 30 cents".
_AGAINST = (
    r"\b[^;]{0,60}?(?:\bversus\b|\bvs\b\.?|\bagainst\b|\bcompared (?:to|with)\b|\bfrom\b|\bafter\b"
    r"|\binstead of\b|[,(](?: was| were| had been)?)[^;)]{0,30}?\b"
)
_PROFIT_NOW = re.compile(rf"\b(?:{_EARNED}){_AGAINST}(?:{_LOST})\b")
_LOSS_NOW = re.compile(rf"\b(?:{_LOST}){_AGAINST}(?:{_EARNED})\b(?! warning)")
# Without one of these there is nothing to look for.
_NAMED = ("loss", "profit", "lost", " the red", " the black")
_CLEAR = 1.2


def profit_turn(plain: str) -> tuple[float, str]:
    """The value of a turn from profit to loss or back, and the text without it.

    Zero and the whole text where no turn is spoken of.

    Args:
        plain: One line in small letters.
    """
    if not any(word in plain for word in _NAMED):
        return 0.0, plain
    for pattern in (_MOVED, _BECAME):
        found = pattern.search(plain)
        if found is not None and found["before"] != found["now"]:
            value = _CLEAR if _is_profit(found["now"]) else -_CLEAR
            if found["before"] is None or _is_profit(found["before"]) != (value > 0):
                return value, plain[: found.start()] + plain[found.end() :]
    return _side_by_side(plain)


def _side_by_side(plain: str) -> tuple[float, str]:
    """Two periods beside each other without a movement; the first named is the newer one."""
    found = [
        (match.start(), sign, match)
        for sign, pattern in ((_CLEAR, _PROFIT_NOW), (-_CLEAR, _LOSS_NOW))
        if (match := pattern.search(plain)) is not None
    ]
    if not found:
        return 0.0, plain
    _, value, match = min(found, key=lambda one: one[0])
    return value, plain[: match.start()] + plain[match.end() :]


def _is_profit(state: str) -> bool:
    return "profit" in state or "black" in state
