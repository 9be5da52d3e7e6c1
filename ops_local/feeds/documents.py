"""News items as feeds: RSS 2.0, Atom 1.0 and RSS 1.0 (RDF), well-formed and escaped.

Fields that an item lacks (date, guid, link) are left out, as careless publishers do.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from ops_local.recordings.recording import RecordedNewsItem

# XML 1.0 cannot contain these characters, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Format:
    """One feed format: its media type, and a function that renders items, newest first."""

    media_type: str
    render: Callable[[str, Sequence[RecordedNewsItem]], bytes]


def http_date(moment: datetime) -> str:
    """A time as HTTP and RSS write it: `Wed, 04 Feb 2026 14:31:00 GMT`."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _rss(name: str, items: Sequence[RecordedNewsItem]) -> bytes:
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", name)
    _add(channel, "link", _home(name))
    _add(channel, "description", f"News of {name}")
    for item in items:
        entry = ET.SubElement(channel, "item")
        _add(entry, "title", item.title)
        _add(entry, "link", item.link)
        _add(entry, "description", item.summary)
        _add(entry, "guid", item.guid, isPermaLink="false")
        _add(entry, "pubDate", _said(http_date, item.published_at))
    return _bytes(root)


def _atom(name: str, items: Sequence[RecordedNewsItem]) -> bytes:
    root = ET.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    _add(root, "title", name)
    _add(root, "id", _home(name))
    _add(root, "updated", _rfc3339(items[0].available_at) if items else None)
    for item in items:
        entry = ET.SubElement(root, "entry")
        _add(entry, "title", item.title)
        if item.link:
            ET.SubElement(entry, "link", rel="alternate", href=_clean(item.link))
        _add(entry, "id", item.guid)
        _add(entry, "updated", _said(_rfc3339, item.published_at))
        _add(entry, "summary", item.summary)
    return _bytes(root)


def _rdf(name: str, items: Sequence[RecordedNewsItem]) -> bytes:
    root = ET.Element(
        "rdf:RDF",
        {
            "xmlns": "http://purl.org/rss/1.0/",
            "xmlns:rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            "xmlns:dc": "http://purl.org/dc/elements/1.1/",
        },
    )
    channel = ET.SubElement(root, "channel", {"rdf:about": _home(name)})
    _add(channel, "title", name)
    _add(channel, "link", _home(name))
    _add(channel, "description", f"News of {name}")
    for item in items:
        about = item.guid or item.link
        entry = ET.SubElement(root, "item", {"rdf:about": _clean(about)} if about else {})
        _add(entry, "title", item.title)
        _add(entry, "link", item.link)
        _add(entry, "description", item.summary)
        _add(entry, "dc:date", _said(_rfc3339, item.published_at))
    return _bytes(root)


RSS = Format("application/rss+xml", _rss)
ATOM = Format("application/atom+xml", _atom)
RDF = Format("application/rdf+xml", _rdf)


def _add(parent: ET.Element, tag: str, text: str | None, **attributes: str) -> None:
    if text is not None:
        ET.SubElement(parent, tag, attributes).text = _clean(text)


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)


def _home(name: str) -> str:
    return f"https://www.{re.sub('[^a-z0-9-]', '', name.lower())}.example/"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _said(form: Callable[[datetime], str], moment: datetime | None) -> str | None:
    return None if moment is None else form(moment)


def _bytes(root: ET.Element) -> bytes:
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()
