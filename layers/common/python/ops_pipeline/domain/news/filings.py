"""SEC filings as their feed titles them: "8-K - APPLE INC (0000320193) (Filer)".

The title takes no side; the items of the summary may. Most of them do not say whether
what happened is good or bad ("Results of Operations"): such a filing is not judged at all.
"""

import re
from dataclasses import dataclass

_TITLE = re.compile(
    r"(?P<form>[A-Z0-9]{1,7}(?:[- ][A-Z0-9]{1,4})?(?:/A)?) - .+ \(\d{10}\) \([A-Za-z ]+\)"
)
_ITEM = re.compile(r"\bItem\s+(\d\.\d\d)\b")
# Items of Form 8-K that are bad news whatever else is filed, by the words of their headings.
# 3.01 is left out: a company that moves to a better exchange reports it as well.
_JUDGED = {
    "1.03": "Bankruptcy or receivership",
    "1.05": "Material cybersecurity incident",
    "2.04": "Default on a financial obligation, which falls due early",
    "2.06": "Material impairments",
    "4.02": "Non-reliance on previously issued financial statements",
}


@dataclass(frozen=True, slots=True)
class Filing:
    """One filing: `text` is what to judge of it, None with the reason when nothing is."""

    text: str | None
    reason: str | None


def is_filing(title: str) -> bool:
    """Whether a headline is that of a filing: a company's filings of one form all have the same."""
    return _TITLE.fullmatch(title) is not None


def filing_of(title: str | None, summary: str | None) -> Filing | None:
    """The filing that an item announces; None when it is no item of SEC's feed.

    Args:
        summary: Plain text that lists the items; None when the feed gave none.
    """
    found = _TITLE.fullmatch(title or "")
    if found is None:
        return None
    form, items = found["form"], sorted(set(_ITEM.findall(summary or "")))
    judged = [_JUDGED[item] for item in items if item in _JUDGED]
    if form.removesuffix("/A") == "8-K" and judged:
        return Filing("; ".join(judged), None)
    listed = f" with items {', '.join(items)}" if items else ""
    return Filing(None, f"a filing of form {form}{listed}, which take no side")
