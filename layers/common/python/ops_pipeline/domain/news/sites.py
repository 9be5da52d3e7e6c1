"""Who speaks: the registrable domain of an address, "reuters.com" of feeds.reuters.com."""

import re
from urllib.parse import urlsplit

# Under a country's domain these are no names of anybody: "co.uk", "com.au".
_SHARED = frozenset({"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"})
_COUNTRY_LETTERS = 2
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*")


def site_of(address: str | None) -> str | None:
    """The registrable domain of an http address.

    None without one: for numbers, for names of this machine, for what is no address.
    """
    try:
        host = urlsplit(address or "").hostname or ""
    except ValueError:
        return None
    if not _HOST.fullmatch(host):
        return None
    labels = host.split(".")
    shared = len(labels[-1]) == _COUNTRY_LETTERS and labels[-2] in _SHARED
    return ".".join(labels[-3:] if shared and len(labels) > 2 else labels[-2:])


def voice_of(feed_url: str) -> str:
    """One voice in a story: the site of a feed, or its address where it has none."""
    return site_of(feed_url) or feed_url
