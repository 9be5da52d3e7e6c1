"""Who speaks: the registrable domain of an address, "reuters.com" of feeds.reuters.com."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

# Reserved by RFC 2606: nobody can register it. A recording's feeds are served under it.
RECORDING_HOST = "recording.example"
_LONGEST_HOST = 253
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*")
# The list that the package brings; read once, when a function starts (26 ms; 80 ms with each
# suffix in ASCII as well). It asks nobody.
_SUFFIXES = PublicSuffixList(accept_encoded_idn=False)


def site_of(address: str | None) -> str | None:
    """The registrable domain of an http address, in lower case and ASCII.

    None without one: for numbers, for names of this machine, for what is no address, and
    for a public suffix itself, such as co.uk.
    """
    host = _host_of(address)
    if not _HOST.fullmatch(host):
        return None
    try:
        site = _SUFFIXES.privatesuffix(host.encode("ascii").decode("idna"))
        return None if site is None else site.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def source_of(feed_url: str, name: str) -> str:
    """The source that a subscribed feed counts as in stories and sentiment.

    Its registrable domain, or its host where it has none: a number is one owner's, whatever
    the path. Feeds of this machine go by their addresses. A recording's feeds share one
    address: they go by the name under which they were recorded.
    """
    host = _host_of(feed_url)
    if host == RECORDING_HOST:
        return name
    return site_of(feed_url) or (feed_url if _is_this_machine(host) else host)


def has_login(address: str) -> bool:
    """Whether an address holds a name or a password; it would be stored and printed with it."""
    return "@" in re.split(r"[/?#]", address.partition("//")[2], maxsplit=1)[0]


def _is_this_machine(host: str) -> bool:
    """Also what is no host at all."""
    try:
        return not host or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(address: str | None) -> str:
    try:
        host = urlsplit(address or "").hostname or ""
        if len(host) > _LONGEST_HOST:
            return ""
        return host.removesuffix(".").encode("idna").decode("ascii").lower()
    except ValueError:
        # Also what IDNA refuses: UnicodeError is a ValueError.
        return ""
