"""An item's identity: its uid, its link without tracking, and its publication time if plausible."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ops_pipeline.domain.news.filings import is_filing
from ops_pipeline.domain.news.headlines import is_correction, plain_text, title_key
from ops_pipeline.domain.news.items import (
    FeedEntry,
    FeedState,
    NewsItem,
    Publication,
    UndatedReason,
)
from ops_pipeline.domain.news.sites import site_of, source_of
from ops_pipeline.domain.news.time_zones import TimeProblem

FURTHEST_AHEAD = timedelta(minutes=10)
OLDEST = timedelta(days=7)
# Longer ones are no headline or teaser any more; they would only fill the table.
LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_LINK = 500, 2_000, 2_000
# Parsing a query takes 4 us a parameter, several times an item; a page's address has a few.
MOST_PARAMETERS = 64
# A written time is kept so that a person can see what was not understood.
LONGEST_TIME = 100

# Parameters that say where a reader came from, never what the page is.
_TRACKING = re.compile(
    r"utm_.*|.*clid|mc_[ce]id|ns_.*|at_.*|pk_.*|mtm_.*|_hs.*|hs(enc|mi|ctatracking)|cmp(id)?|"
    r"ncid|icid|ocid|xid|yptr|smid|smtyp|soc_src|soc_trk|guccounter|guce_.*|feedtype|"
    r"feedname|partner|ref(errer|src|_src|_url)?|referrer|igshid|spm|trk|tracking(id)?|"
    r"s?rnd|taid|__twitter_impression|rss(feed)?|src|source|mod|siteid|amp",
    re.IGNORECASE,
)
# Where a page is served for phones as well: its host, its path, and caches of AMP pages.
_MOBILE = re.compile(r"^(?:www\.|m\.|mobile\.|amp\.)+(?=[^.]+\.)")
_AMP = re.compile(r"(?:^/amp(?=/.)|/amp(?:\.html?)?$|\.amp(?=\.html?$)|\.amp$)", re.IGNORECASE)
_CACHE = re.compile(
    r"^https?://(?:(?:www\.)?google\.[a-z.]{2,6}/amp/s/|[a-z0-9-]+\.cdn\.ampproject\.org/[cv]/s/)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=2_048)
def canonical_link(link: str | None) -> str | None:
    """The address of one page without tracking, fragment, `www.` and trailing slash.

    Its forms for phones (`m.`, `amp.`, `/amp`, AMP caches) are the same page.

    None when there is no legible http link, when it is longer or has more parameters than
    any page's, or when it is a site's front page, which lazy feeds give for every item: it
    identifies none of them.
    """
    if not link or _is_excessive(link):
        return None
    try:
        parts = urlsplit(_CACHE.sub("https://", "".join(link.split())))
        host, port = _MOBILE.sub("", parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return None
    authority = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    query = sorted(
        pair
        for pair in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(pair[0])
    )
    path = _AMP.sub("", parts.path.rstrip("/")).rstrip("/")
    if not path and not query:
        return None
    # One page answers on http and https alike. Longer ones would not fit into their index.
    found = urlunsplit(("https", authority, path, urlencode(query), ""))
    return found if len(found.encode("utf-8", "replace")) <= LONGEST_LINK else None


def _is_excessive(link: str) -> bool:
    """Whether its parts would cost more than all the rest of an item."""
    return len(link) > LONGEST_LINK or link.count("&") >= MOST_PARAMETERS


def newest_claim(items: Sequence[NewsItem]) -> datetime | None:
    """The newest time of publication that can be right, be it too old to count; None: without."""
    believed = (None, "too_old")
    claims = [it.publication.claim for it in items if it.publication.reason in believed]
    return max((claim for claim in claims if claim is not None), default=None)


def event_uid(entry: FeedEntry, feed_url: str) -> str | None:
    """The sha256 of the feed with the guid, else with the canonical link, else with title and time.

    A feed speaks for itself: no other feed's guid or link makes its item a duplicate. None
    when the feed gave none of these: such an entry can't be told from the next.
    """
    natural_key = _own_guid(entry.guid) or canonical_link(entry.link)
    if natural_key is None and entry.title:
        claim = entry.published_at
        natural_key = f"{entry.title}\n{'' if claim is None else claim.isoformat()}"
    return None if natural_key is None else _hashed(feed_url, natural_key)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _own_guid(guid: str | None) -> str | None:
    """The guid as it identifies an item of its feed, None when it doesn't."""
    guid = (guid or "").strip()
    if guid.casefold().startswith(("http://", "https://")):
        # A site's front page, given for every item, identifies none of them.
        return guid if _is_excessive(guid) or canonical_link(guid) else None
    return guid or None


def publication(
    claim: datetime | None, fetched_at: datetime, problem: TimeProblem | None = None
) -> Publication:
    """Judge a feed's claim; an implausible one is kept beside the reason, never "now".

    Args:
        claim: None when the feed gave no time, or none that could be read.
        problem: Why it could not be read.
    """
    reason: UndatedReason | None = None
    if claim is None:
        reason = problem or "missing"
    elif claim - fetched_at > FURTHEST_AHEAD:
        reason = "future"
    elif fetched_at - claim > OLDEST:
        reason = "too_old"
    return Publication(at=None if reason else claim, reason=reason, claim=claim)


def news_items(
    entries: Sequence[FeedEntry], feed: FeedState, fetched_at: datetime
) -> list[NewsItem]:
    """The entries of one document as they are kept; those that nothing identifies are left out.

    A guid that a document gives to several links or headlines identifies none of them.
    """
    pages_of: dict[str, set[str | None]] = {}
    for entry in entries:
        pages_of.setdefault(entry.guid or "", set()).add(canonical_link(entry.link) or entry.title)
    shared = {guid for guid, pages in pages_of.items() if len(pages) > 1}
    cleared = (replace(e, guid=None) if e.guid in shared else e for e in entries)
    items = (news_item(entry, feed, fetched_at) for entry in cleared)
    return [item for item in items if item is not None]


def _story_key(title: str | None, source: str) -> str | None:
    return None if title is None or is_filing(title) else title_key(title, source=source)


def news_item(entry: FeedEntry, feed: FeedState, fetched_at: datetime) -> NewsItem | None:
    """One feed entry as it is kept, or None when nothing identifies it."""
    uid = event_uid(entry, feed.url)
    if uid is None:
        return None
    title = plain_text(entry.title, LONGEST_TITLE)
    # A correction is an item of its own, also under the guid of what it corrects.
    correction = is_correction(title)
    link = None if _is_excessive(entry.link or "") else plain_text(entry.link, LONGEST_LINK)
    judged = publication(entry.published_at, fetched_at, entry.time_problem)
    written = plain_text(entry.written, LONGEST_TIME)
    return NewsItem(
        event_uid=_hashed(uid, title or "") if correction else uid,
        source=feed.source,
        feed_url=feed.url,
        title=title,
        link=link,
        summary=plain_text(entry.summary, LONGEST_SUMMARY),
        canonical_link=canonical_link(link),
        title_key=_story_key(title, feed.source),
        publication=replace(judged, written=written, note=entry.time_note),
        fetched_at=fetched_at,
        source_site=source_of(feed.url, feed.source),
        link_site=site_of(link),
        correction=correction,
        corrects_uid=uid if correction else None,
    )
