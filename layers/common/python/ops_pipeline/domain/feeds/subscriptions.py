"""Subscribed feeds as an operator describes them, and what a request would change."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal
from urllib.parse import urlsplit

from ops_pipeline.domain.feeds.kinds import FEED_KINDS, FeedKind
from ops_pipeline.domain.legible import is_legible
from ops_pipeline.domain.news.sites import has_login, site_of

LEAST_POLL_S, MOST_POLL_S = 60, 86_400
# A year: some press offices are silent for months.
LEAST_AGE_H, MOST_AGE_H = 1, 8_784
_LONGEST_URL, _LONGEST_SOURCE, _LONGEST_TERMS, _LONGEST_CONTACT = 2_000, 100, 500, 200
# "Company Name admin@company.com", as SEC asks for it; it becomes part of a header.
_CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@]*\s[^@\s]+@[^@\s]+\.[^@\s]+")
# They answer whoever names no contact address with a page that blocks, or with 403.
SITES_THAT_ASK_FOR_A_CONTACT = frozenset({"sec.gov"})

Change = Literal["add", "change", "switch on", "switch off", "remove"]
FeedStanding = Literal["on", "off", "removed"]
_SWITCHED: Mapping[FeedStanding, Change] = {
    "on": "switch on",
    "off": "switch off",
    "removed": "remove",
}

# Where nobody says: a minute, and from a Friday evening over a Monday that is a holiday.
USUAL_POLL_S, USUAL_AGE_H = 60, 96


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """One feed as an operator describes it.

    Attributes:
        url: Where it is fetched from.
        source: Its publisher's name, as it stands beside each item.
        active: False: known, with its terms, and not fetched.
        poll_every_s: Shortest time between two fetches, seconds, from 60 to 86,400.
        max_age_h: Hours after which its newest item is too old for a feed that is alive.
        terms: What its publisher asks of readers, as far as known.
        kind: What its document is.
    """

    url: str
    source: str
    active: bool = True
    poll_every_s: int = USUAL_POLL_S
    max_age_h: int = USUAL_AGE_H
    terms: str = ""
    kind: FeedKind = "news"


@dataclass(frozen=True, slots=True)
class StoredFeed:
    """One row of feed_state, as far as an operator decides it."""

    spec: FeedSpec
    removed: bool = False

    @property
    def standing(self) -> FeedStanding:
        if self.removed:
            return "removed"
        return "on" if self.spec.active else "off"


@dataclass(frozen=True, slots=True)
class FeedChange:
    """One row to write.

    Attributes:
        spec: How it will be; of a removed one, how it was, switched off.
        changed: Of "change": by field, the values before and after.
    """

    change: Change
    spec: FeedSpec
    changed: Mapping[str, tuple[object, object]] = field(default_factory=dict)


def needs_contact(url: str) -> bool:
    """Whether its server wants to know whom to write to."""
    return site_of(url) in SITES_THAT_ASK_FOR_A_CONTACT


def problem_with_contact(contact: str) -> str | None:
    """Why this is no contact address; None when it is one."""
    plain = contact.isascii() and contact.isprintable() and len(contact) <= _LONGEST_CONTACT
    if plain and _CONTACT.fullmatch(contact.strip()):
        return None
    return 'a contact is a name and a mail address, as in "Company Name admin@company.com"'


def problem_with(spec: FeedSpec, contact: str | None) -> str | None:
    """Why this feed is not taken; None when it is.

    Args:
        contact: The stored contact address, None without one.
    """
    if (problem := problem_with_url(spec.url) or _problem_with_words(spec)) is not None:
        return problem
    if spec.kind not in FEED_KINDS:
        return f"its kind must be one of {', '.join(FEED_KINDS)}"
    if not LEAST_POLL_S <= spec.poll_every_s <= MOST_POLL_S:
        return f"it can be asked every {LEAST_POLL_S} to {MOST_POLL_S} seconds"
    if not LEAST_AGE_H <= spec.max_age_h <= MOST_AGE_H:
        return f"its max_age_h must be {LEAST_AGE_H} to {MOST_AGE_H}"
    if spec.active and contact is None and needs_contact(spec.url):
        return (
            f"{site_of(spec.url)} asks for a contact address: set feeds.contact first, "
            'with ops feeds contact "Company Name admin@company.com"'
        )
    return None


def _problem_with_words(spec: FeedSpec) -> str | None:
    if not 0 < len(spec.source.strip()) <= _LONGEST_SOURCE or not spec.source.isprintable():
        return f"its source must be a name of at most {_LONGEST_SOURCE} characters"
    if len(spec.terms) > _LONGEST_TERMS or not spec.terms.isprintable():
        return f"its terms must be one line of at most {_LONGEST_TERMS} characters"
    return None


def problem_with_url(url: str) -> str | None:
    """Why no feed can be asked at this address, None where one can."""
    try:
        parts = urlsplit(url)
        web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        web = False
    if not (web and url.isprintable() and is_legible(url) and " " not in url):
        return "it is no http address"
    if len(url) > _LONGEST_URL:
        return f"its address is longer than {_LONGEST_URL} characters"
    if has_login(url):
        return "a feed's address must not have a login in it"
    return None


def plan_additions(
    known: Mapping[str, StoredFeed], wanted: Iterable[FeedSpec], *, only_new: bool = False
) -> list[FeedChange]:
    """What adding these changes: a known feed gets what is said of it now.

    Args:
        only_new: A feed that is known, removed ones included, stays as it is.
    """
    planned: dict[str, FeedChange] = {}
    for spec in wanted:
        stored = known.get(spec.url)
        if stored is None:
            planned[spec.url] = FeedChange("add", spec)
        elif not only_new and (change := _difference(stored, spec)) is not None:
            planned[spec.url] = change
    return list(planned.values())


def plan_exactly(known: Mapping[str, StoredFeed], wanted: Sequence[FeedSpec]) -> list[FeedChange]:
    """What makes the list of feeds this one: others are removed."""
    named = {spec.url for spec in wanted}
    others = [url for url, stored in known.items() if url not in named and not stored.removed]
    return [*plan_additions(known, wanted), *plan_switch(known, others, "removed")]


def plan_switch(
    known: Mapping[str, StoredFeed], urls: Iterable[str], to: FeedStanding
) -> list[FeedChange]:
    """What switching these changes; those that stand so already are left out.

    A removed feed is neither on nor off until it is added again.

    Raises:
        KeyError: none has such an address.
    """
    changes = []
    for url in dict.fromkeys(urls):
        stored = known[url]
        if stored.standing in (to, "removed"):
            continue
        changes.append(FeedChange(_SWITCHED[to], replace(stored.spec, active=to == "on")))
    return changes


def _difference(stored: StoredFeed, spec: FeedSpec) -> FeedChange | None:
    if stored.removed:
        return FeedChange("add", spec)
    differing = {
        each.name: (getattr(stored.spec, each.name), getattr(spec, each.name))
        for each in fields(FeedSpec)
        if getattr(stored.spec, each.name) != getattr(spec, each.name)
    }
    if not differing:
        return None
    if set(differing) == {"active"}:
        return FeedChange("switch on" if spec.active else "switch off", spec)
    return FeedChange("change", spec, differing)
